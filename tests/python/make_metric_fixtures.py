"""Writes tests/fixtures/metrics/cases.json: metrics by scikit-learn and SciPy.

Accuracy, F1 of class 1 (two classes only), macro F1 (over the classes that occur in
either list), its mean over all classes, Matthews' coefficient (0 where it is 0/0, as F1
is); Pearson's and Spearman's coefficients (ties share their mean rank), `null` where they
are undefined. Exact match of groups and the scores of generated answers, which neither
library has, follow their definitions (MultiRC; SQuAD 1.1).
"""

import collections
import json
import math
import re
import string
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
        "classification": [score_classes(*case) for case in class_cases() + random_classes()],
        "groups": [score_groups(*case) for case in random_groups()],
        "regression": [score_values(*case) for case in value_cases() + random_values()],
        "answers": [score_answers(*case) for case in random_answers()],
    }
    lists = (
        f'  "{kind}": [\n    ' + ",\n    ".join(map(json.dumps, some)) + "\n  ]"
        for kind, some in cases.items()
    )
    FIXTURE.write_text("{\n" + ",\n".join(lists) + "\n}\n")


def score_classes(
    name: str, gold: list[int], predicted: list[int], classes: int | None = None
) -> dict:
    """A case of classification with its metrics."""
    classes = classes or max(2, *gold, *predicted) + 1
    scores = {
        "mean_f1": f1_score(
            gold, predicted, labels=list(range(classes)), average="macro", zero_division=0.0
        ),
        "accuracy": accuracy_score(gold, predicted),
        "f1_macro": f1_score(gold, predicted, average="macro", zero_division=0.0),
        "matthews": matthews_corrcoef(gold, predicted),
    }
    if max(gold + predicted) < 2:
        scores["f1"] = f1_score(gold, predicted, labels=[0, 1], pos_label=1, zero_division=0.0)
    return _case(name, gold, predicted, scores) | {"classes": classes}


def score_groups(name: str, groups: list[int], gold: list[int], predicted: list[int]) -> dict:
    """A case of groups with the share of those that are all right."""
    right = collections.defaultdict(list)
    for group, answer, prediction in zip(groups, gold, predicted, strict=True):
        right[group].append(answer == prediction)
    expected = float(np.mean([all(answers) for answers in right.values()]))
    names = {"name": name, "groups": groups, "gold": gold, "predicted": predicted}
    return names | {"expected": expected}


def score_answers(name: str, gold: list[list[str]], predicted: list[str]) -> dict:
    """A case of generated answers with the means of their best scores."""
    pairs = list(zip(gold, predicted, strict=True))
    expected = {
        metric: float(np.mean([max(score(g, p) for g in answers) for answers, p in pairs]))
        for metric, score in {"exact_match": _same, "f1": _word_f1}.items()
    }
    return {"name": name, "gold": gold, "predicted": predicted, "expected": expected}


def _normalised(text: str) -> list[str]:
    text = text.lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def _same(gold: str, predicted: str) -> float:
    return float(_normalised(gold) == _normalised(predicted))


def _word_f1(gold: str, predicted: str) -> float:
    gold_words, words = _normalised(gold), _normalised(predicted)
    shared = sum((collections.Counter(gold_words) & collections.Counter(words)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(words), shared / len(gold_words)
    return 2 * precision * recall / (precision + recall)


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


def random_classes() -> list[tuple]:
    """Random lists of two to six classes, and lists of every length up to three."""
    draw = np.random.default_rng(2)
    cases = []
    for number in range(90):
        classes, length = int(draw.integers(2, 7)), int(draw.integers(1, 40))
        # A skewed draw leaves classes out now and then.
        odds = draw.dirichlet(np.full(classes, 0.7))
        gold, predicted = (draw.choice(classes, length, p=odds).tolist() for _ in range(2))
        cases.append((f"random classes {number}", gold, predicted, classes))
    return cases


def random_groups() -> list[tuple]:
    """Random groups of answers, most of them right."""
    draw = np.random.default_rng(3)
    cases = []
    for number in range(25):
        length = int(draw.integers(1, 50))
        gold = draw.integers(0, 2, length)
        predicted = np.where(draw.random(length) < 0.8, gold, 1 - gold)
        groups = draw.integers(0, 12, length)
        cases.append((f"groups {number}", groups.tolist(), gold.tolist(), predicted.tolist()))
    return cases


def random_values() -> list[Values]:
    """Random values of very different scales and shapes, with and without ties."""
    draw = np.random.default_rng(4)
    cases = []
    for number in range(60):
        length, scale = int(draw.integers(3, 40)), float(10.0 ** draw.integers(-6, 7))
        gold = draw.normal(draw.normal(0, 3), 1, length) * scale
        predicted = gold * draw.normal() + draw.normal(0, 1, length) * scale
        if number % 3 == 0:
            gold, predicted = np.round(gold / scale), np.round(predicted / scale)
        cases.append((f"random values {number}", gold.tolist(), predicted.tolist()))
    return cases


def random_answers() -> list[tuple]:
    """Random answers of a few words, with articles, case, punctuation and other alphabets."""
    draw = np.random.default_rng(5)
    words = "the a An bridge Bridge, over river-side 'old' café THE. 12 12.5 – an– «a» Zürich the_".split()
    answer = lambda: " ".join(draw.choice(words, draw.integers(0, 6)))  # noqa: E731
    cases = []
    for number in range(30):
        length = int(draw.integers(1, 12))
        gold = [[answer() for _ in range(draw.integers(1, 4))] for _ in range(length)]
        cases.append((f"answers {number}", gold, [answer() for _ in range(length)]))
    return cases


if __name__ == "__main__":
    main()
