#!/usr/bin/env python3
"""What each method makes of the lessons, from t5-nano and from random weights.

Every cell is the accuracy on a lesson's test split, mean and standard deviation of three
seeds, of the checkpoint that was best on validation. All runs have the same steps; each
method's learning rate is the one of its grid that does best on validation with seed 0. The
last rows are logistic regressions on words, and on words and pairs of words, their
regularisation chosen in the same way.

    python tests/live/lesson_table.py [--model FOLDER] [--binary PROGRAM] [lesson …]

Needs the packages of tests/python/requirements.txt. Two runs go on at a time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from transformers import T5Config, T5ForConditionalGeneration

ROOT = Path(__file__).resolve().parents[2]
LESSONS = ("sentiment", "order", "question")
SEEDS = (0, 1, 2)
EPOCHS = 15
EVERY = 75  # steps, three epochs
# Learning rates a method is tried with, a factor of about three apart.
GRIDS = {
    "compacter": ("1e-2", "3e-2"),
    "compacter++": ("1e-2", "3e-2"),
    "adapter": ("3e-3", "1e-2"),
    "lora": ("3e-3", "1e-2"),
    "full": ("3e-4", "1e-3"),
}
ROWS = [
    ("compacter", "pretrained"),
    ("compacter", "random"),
    ("full", "pretrained"),
    ("full", "random"),
    ("adapter", "pretrained"),
    ("lora", "pretrained"),
    ("compacter++", "pretrained"),
]
# Bottlenecks that fit a width of 192.
SHAPES = {"compacter": 8, "compacter++": 8, "adapter": 8}
STRENGTHS = np.logspace(-2, 4, 13)


@dataclass(frozen=True)
class Run:
    lesson: str
    method: str
    rate: str
    seed: int


def configuration(run: Run, model: str, runs: str) -> str:
    shape = f"reduction_factor = {SHAPES[run.method]}\n" if run.method in SHAPES else ""
    return f"""
name = "{run.lesson}-{run.method}-{run.rate}-{run.seed}"
[model]
path = "{model}"
[method]
kind = "{run.method}"
{shape}[task]
name = "lesson:{run.lesson}"
[train]
seed = {run.seed}
epochs = {EPOCHS}
learning_rate = {run.rate}
threads = 1
[eval]
every = {EVERY}
[output]
directory = "{runs}"
"""


def train(binary: str, model: str, run: Run) -> tuple[float, float, int]:
    """Trains once; returns the best accuracy on validation, that on test, and the trained parameters."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "run.toml"
        config.write_text(configuration(run, model, folder), encoding="utf-8")
        output = subprocess.run([binary, "train", str(config), "--json"], check=True, capture_output=True, text=True).stdout
        events = [json.loads(line) for line in output.splitlines()]
        started = next(event for event in events if event["kind"] == "started")
        best = max(event["metrics"]["accuracy"] for event in events if event["kind"] == "eval")
        name = Path(folder) / started["run"]
        test = subprocess.run([binary, "eval", str(name), "--split", "test", "--json"], check=True, capture_output=True, text=True)
        return best, json.loads(test.stdout)["metrics"]["accuracy"], started["trainable"]


def cell(pool: ThreadPoolExecutor, binary: str, model: str, lesson: str, method: str) -> tuple[list[float], str, int]:
    rates = GRIDS[method]
    tried = list(pool.map(lambda rate: train(binary, model, Run(lesson, method, rate, SEEDS[0])), rates))
    chosen = max(range(len(rates)), key=lambda at: tried[at][0])
    others = pool.map(lambda seed: train(binary, model, Run(lesson, method, rates[chosen], seed)), SEEDS[1:])
    results = [tried[chosen], *others]
    return [test for _, test, _ in results], rates[chosen], results[0][2]


def words(lesson: str, pairs: int) -> float:
    rows = [json.loads(line) for line in (ROOT / f"core/assets/lessons/{lesson}.jsonl").read_text(encoding="utf-8").splitlines()]
    split = lambda name: ([r["text"] for r in rows if r["split"] == name], [r["label"] for r in rows if r["split"] == name])
    train_rows, validation, test = split("train"), split("validation"), split("test")

    def fit(strength: float):
        vectors = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, pairs), token_pattern=r"(?u)\b\w+\b")
        return make_pipeline(vectors, LogisticRegression(C=strength, max_iter=2000)).fit(*train_rows)

    models = [fit(strength) for strength in STRENGTHS]
    return max(models, key=lambda model: model.score(*validation)).score(*test)


def random_weights(model: Path, into: Path) -> None:
    """The same shape as `model` with the initial values of `transformers`."""
    torch.manual_seed(0)
    T5ForConditionalGeneration(T5Config.from_pretrained(model)).save_pretrained(into)
    for file in model.glob("tokenizer*"):
        (into / file.name).write_bytes(file.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lessons", nargs="*", default=LESSONS)
    parser.add_argument("--model", type=Path, default=ROOT / "core/assets/t5-nano")
    parser.add_argument("--binary", default=str(ROOT / "target/release/compacter"))
    arguments = parser.parse_args()
    print("| method | weights | trained | " + " | ".join(arguments.lessons) + " |")
    print("|---|---|---|" + "---|" * len(arguments.lessons))
    with tempfile.TemporaryDirectory() as random, ThreadPoolExecutor(2) as pool:
        random_weights(arguments.model, Path(random))
        models = {"pretrained": str(arguments.model.resolve()), "random": random}
        for method, weights in ROWS:
            cells, trained = [], 0
            for lesson in arguments.lessons:
                accuracies, rate, trained = cell(pool, arguments.binary, models[weights], lesson, method)
                spread = statistics.stdev(accuracies)
                cells.append(f"{statistics.mean(accuracies):.3f} ± {spread:.3f} ({rate})")
            print(f"| {method} | {weights} | {trained:,} | " + " | ".join(cells) + " |", flush=True)
    for name, pairs in (("bag of words", 1), ("words and pairs of words", 2)):
        cells = [f"{words(lesson, pairs):.3f}" for lesson in arguments.lessons]
        print(f"| {name} | – | – | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
