#!/usr/bin/env python3
"""What the frozen encoder of t5-nano knows of sentences, beside a bag of words.

A logistic regression on the encoder's last states over a sentence, and one on TF-IDF weighted
words, both trained on the same 512 sentences (three draws) and measured on the validation
set. The states are pooled by their mean alone, and by mean and maximum side by side (Howard
and Ruder, arXiv:1801.06146, section 3.3, "concat pooling"). Random weights of the same shape
are the floor.

    COMPACTER_SHARED=… python tests/live/nano_probe.py [folder …]

Needs the packages of tests/python/requirements.txt.
"""

from __future__ import annotations

import csv
import os
import statistics
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoTokenizer, T5ForConditionalGeneration

HERE = Path(__file__).resolve().parent
NANO = HERE.parents[1] / "core" / "assets" / "t5-nano"
SEEDS = (0, 1, 2)
TASKS = ("SST-2", "TREC")
# Inverse strengths of regularisation, chosen on the training sentences by cross-validation.
STRENGTHS = np.logspace(-4, 2, 13)

Rows = tuple[list[str], list[str]]


def read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    text = "sentence" if "sentence" in rows[0] else "text"
    return [row[text] for row in rows], [row["label"] for row in rows]


class Encoder:
    """Last states of a T5's encoder, pooled over a sentence."""

    def __init__(self, folder: Path, random: bool, maximum: bool) -> None:
        self.maximum = maximum
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        model = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        if random:
            torch.manual_seed(0)
            model = T5ForConditionalGeneration(model.config)
        self.encoder = model.get_encoder().eval()

    @torch.no_grad()
    def __call__(self, texts: list[str]) -> np.ndarray:
        parts = []
        for start in range(0, len(texts), 64):
            batch = self.tokenizer(texts[start : start + 64], padding=True, truncation=True, max_length=96, return_tensors="pt")
            states = self.encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
            mask = batch.attention_mask.unsqueeze(-1)
            pooled = [(states * mask).sum(1) / mask.sum(1)]
            if self.maximum:
                pooled.append(states.masked_fill(mask == 0, -torch.inf).max(1).values)
            parts.append(torch.cat(pooled, 1).numpy())
        return np.concatenate(parts)


def logistic() -> LogisticRegressionCV:
    return LogisticRegressionCV(Cs=STRENGTHS, cv=5, max_iter=2000)


def probe(encoder: Encoder, train: Rows, test: Rows) -> float:
    model = make_pipeline(StandardScaler(), logistic())
    return model.fit(encoder(train[0]), train[1]).score(encoder(test[0]), test[1])


def bag_of_words(train: Rows, test: Rows) -> float:
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), logistic())
    return model.fit(*train).score(*test)


def main() -> None:
    shared = Path(os.environ["COMPACTER_SHARED"]) / "data"
    folders = [Path(name) for name in sys.argv[1:]] or [NANO]
    encoders = {}
    for pooling, maximum in (("mean", False), ("mean and maximum", True)):
        for folder in folders:
            encoders[f"{folder.name}, {pooling}"] = Encoder(folder, random=False, maximum=maximum)
        encoders[f"random weights, {pooling}"] = Encoder(folders[0], random=True, maximum=maximum)
    rows = {name: (lambda train, test, e=encoder: probe(e, train, test)) for name, encoder in encoders.items()}
    rows["bag of words (TF-IDF)"] = bag_of_words
    print("| | " + " | ".join(f"{task}: seeds {' / '.join(map(str, SEEDS))}, mean" for task in TASKS) + " |")
    print("|---|" + "---|" * len(TASKS))
    for name, measure in rows.items():
        cells = []
        for task in TASKS:
            test = read(shared / task / "validation.tsv")
            scores = [measure(read(shared / task / f"low512_seed{seed}.tsv"), test) for seed in SEEDS]
            cells.append(" / ".join(f"{score:.3f}" for score in scores) + f", **{statistics.mean(scores):.3f}**")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
