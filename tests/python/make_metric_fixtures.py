"""Writes tests/fixtures/metrics/cases.json: metrics by scikit-learn and SciPy.

Accuracy, F1 of class 1 (two classes only), macro F1 (over the classes that occur in
either list), Matthews' coefficient (0 where it is 0/0, as F1 is); Pearson's and
Spearman's coefficients (ties share their mean rank), `null` where they are undefined.
"""

import json
import math
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

FIXTURE = Path(__file__).parent.parent / "fixtures" / "metrics" / "cases.json"

Classes = tuple[str, list[int], list[int]]
Values = tuple[str, list[float], list[float]]


def main() -> None:
    # Constant and empty classes are among the cases on purpose.
    warnings.simplefilter("ignore")
    cases = {
        "classification": [score_classes(*case) for case in class_cases()],
        "regression": [score_values(*case) for case in value_cases()],
    }
    lists = (
        f'  "{kind}": [\n    ' + ",\n    ".join(map(json.dumps, some)) + "\n  ]"
        for kind, some in cases.items()
    )
    FIXTURE.write_text("{\n" + ",\n".join(lists) + "\n}\n")


def score_classes(name: str, gold: list[int], predicted: list[int]) -> dict:
    """A case of classification with its metrics."""
    scores = {
        "accuracy": accuracy_score(gold, predicted),
        "f1_macro": f1_score(gold, predicted, average="macro", zero_division=0.0),
        "matthews": matthews_corrcoef(gold, predicted),
    }
    if max(gold + predicted) < 2:
        scores["f1"] = f1_score(gold, predicted, labels=[0, 1], pos_label=1, zero_division=0.0)
    return _case(name, gold, predicted, scores)


def score_values(name: str, gold: list[float], predicted: list[float]) -> dict:
    """A case of regression with its metrics."""
    scores = {
        "pearson": pearsonr(gold, predicted).statistic,
        "spearman": spearmanr(gold, predicted).statistic,
    }
    return _case(name, gold, predicted, scores)


def _case(name: str, gold: list, predicted: list, scores: dict[str, float]) -> dict:
    expected = {key: None if math.isnan(score) else float(score) for key, score in scores.items()}
    return {"name": name, "gold": gold, "predicted": predicted, "expected": expected}


def class_cases() -> list[Classes]:
    """Pairs of lists, from plain to degenerate."""
    draw = np.random.default_rng(0)
    gold = draw.integers(0, 3, 60)
    noisy = np.where(draw.random(60) < 0.7, gold, draw.integers(0, 3, 60))
    return [
        ("two classes, some wrong", [0, 1, 1, 0, 1, 0, 0, 1, 1, 1], [0, 1, 0, 0, 1, 1, 0, 1, 1, 0]),
        ("two classes, all right", [0, 1, 1, 0], [0, 1, 1, 0]),
        ("two classes, all wrong", [0, 1, 1, 0], [1, 0, 0, 1]),
        ("constant prediction of class 1", [0, 1, 1, 0, 1], [1, 1, 1, 1, 1]),
        ("constant prediction of class 0", [0, 1, 1, 0, 1], [0, 0, 0, 0, 0]),
        ("only class 0 anywhere", [0, 0, 0], [0, 0, 0]),
        ("only class 1 anywhere", [1, 1], [1, 1]),
        ("one example, wrong", [1], [0]),
        ("three classes, some wrong", gold.tolist(), noisy.tolist()),
        ("three classes, the last never predicted", [0, 1, 2, 2, 1, 0], [0, 1, 1, 0, 1, 0]),
        ("three classes, the middle one nowhere", [0, 2, 2, 0, 2], [0, 2, 0, 0, 2]),
        ("three classes, constant prediction", [0, 1, 2, 2, 1, 0], [2, 2, 2, 2, 2, 2]),
    ]


def value_cases() -> list[Values]:
    """Pairs of lists, from plain to degenerate."""
    draw = np.random.default_rng(1)
    gold = np.round(draw.uniform(0, 5, 80), 1)
    noisy = gold + draw.normal(0, 1, 80)
    return [
        ("no ties", [0.5, 2.0, 3.5, 1.0, 4.2], [0.7, 1.5, 3.9, 1.6, 2.8]),
        ("ties in gold", gold.tolist(), noisy.tolist()),
        ("ties in both", gold.tolist(), np.round(noisy).tolist()),
        ("long runs of ties", [1.0, 1.0, 1.0, 2.0, 2.0, 3.0], [2.0, 2.0, 1.0, 1.0, 1.0, 2.0]),
        ("opposite order", [1.0, 2.0, 3.0, 4.0], [8.0, 6.5, 6.0, 1.0]),
        ("monotone, not linear", [1.0, 2.0, 3.0, 4.0], [1.0, 10.0, 100.0, 1000.0]),
        ("large offset", (gold[:20] + 1e6).tolist(), (noisy[:20] + 1e6).tolist()),
        ("constant prediction", [1.0, 2.0, 3.0], [2.5, 2.5, 2.5]),
        ("constant gold", [2.0, 2.0, 2.0], [1.0, 2.0, 3.0]),
        ("two examples", [1.0, 2.0], [5.0, 3.0]),
    ]


if __name__ == "__main__":
    main()
