#!/usr/bin/env python3
"""Fine-tunes all-MiniLM-L6-v2 on SST-2 with every method and three seeds, through the CLI.

Prints a Markdown table of the accuracy after the last epoch beside that of PyTorch with
AdapterHub's library under the same settings. Exits with 1 where the mean of a method is
more than two points below the reference, or Compacter less than two points above the head.
Compacter is trained in the paper's form, the product's default; the reference's Compacter is
AdapterHub's, whose layer norms stay frozen.

    COMPACTER_SHARED=… python3 tests/live/accuracy_table.py [--binary target/release/compacter] [method …]

all-MiniLM-L6-v2 is a sentence encoder trained on sentence pairs; SST-2 is no part of what
it was tuned on. One accuracy has a standard error of about 1.3 points.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SEEDS = (0, 1, 2)
# Mean of three seeds, PyTorch 2.15 and `adapters` 1.3.0.
REFERENCE = {"full": 0.802, "adapter": 0.805, "lora": 0.802, "compacter": 0.794, "compacter++": 0.793, "head": 0.763}
MARGIN = 0.02


def model_folder() -> str:
    script = HERE.parent / "python" / "fetch_minilm.sh"
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout.strip()


def run(binary: str, method: str, seed: int, folder: str, more: list[str]) -> tuple[float, float]:
    """Trains once; returns the accuracy after the last epoch and the wall time in seconds."""
    data = Path(os.environ["COMPACTER_SHARED"]) / "data" / "SST-2"
    with tempfile.TemporaryDirectory() as runs:
        settings = {
            "model.path": folder,
            "task.train": data / f"low512_seed{seed}.tsv",
            "task.validation": data / "validation.tsv",
            "train.seed": seed,
            "output.directory": runs,
        }
        command = [binary, "train", str(HERE / "minilm" / f"{method}.toml"), "--json"]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        for field in more:
            command += ["--set", field]
        start = time.monotonic()
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds = time.monotonic() - start
    evaluations = [e for e in map(json.loads, output.splitlines()) if e["kind"] == "eval"]
    return evaluations[-1]["metrics"]["accuracy"], seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(REFERENCE))
    parser.add_argument("--binary", default=str(HERE.parents[1] / "target" / "release" / "compacter"))
    parser.add_argument("--set", action="append", default=[], help="such as train.mixed_precision=bf16")
    arguments = parser.parse_args()
    folder = model_folder()
    print("| method | seeds 0 / 1 / 2 | mean | PyTorch | seconds a run |\n|---|---|---|---|---|", flush=True)
    means = {}
    for method in arguments.methods:
        results = [run(arguments.binary, method, seed, folder, arguments.set) for seed in SEEDS]
        accuracies = [accuracy for accuracy, _ in results]
        means[method] = statistics.mean(accuracies)
        each = " / ".join(f"{accuracy:.4f}" for accuracy in accuracies)
        seconds = statistics.median(seconds for _, seconds in results)
        print(f"| {method} | {each} | {means[method]:.3f} | {REFERENCE[method]:.3f} | {seconds:.0f} |", flush=True)
    failures = [f"{m} is below the reference − {MARGIN}" for m in means if means[m] < REFERENCE[m] - MARGIN]
    if {"compacter", "head"} <= means.keys() and means["compacter"] < means["head"] + MARGIN:
        failures.append("compacter is less than two points above the head")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
