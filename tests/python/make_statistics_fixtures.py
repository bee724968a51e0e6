"""Writes tests/fixtures/statistics/cases.json: t quantiles and paired intervals by SciPy."""

import json
from pathlib import Path

import numpy as np
from scipy import stats

FIXTURE = Path(__file__).parent.parent / "fixtures" / "statistics" / "cases.json"


def main() -> None:
    cases = {"quantiles": quantiles(), "paired": paired()}
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    FIXTURE.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")


def quantiles() -> list[list[float]]:
    """Probability, degrees of freedom and quantile."""
    return [
        [p, freedom, float(stats.t.ppf(p, freedom))]
        for p in (0.6, 0.95, 0.975, 0.995, 0.9983333333333333, 0.025)
        for freedom in (1, 2, 3, 4, 9, 29, 100)
    ]


def paired() -> list[dict]:
    random = np.random.default_rng(7)
    cases = []
    for pairs, level in ((2, 0.95), (3, 0.95), (5, 0.95), (5, 0.99), (20, 0.9833333333333333)):
        left = random.normal(0.8, 0.05, pairs)
        right = left + random.normal(0.02, 0.03, pairs)
        interval = stats.ttest_rel(left, right).confidence_interval(level)
        cases.append(
            {
                "level": level,
                "left": left.tolist(),
                "right": right.tolist(),
                "mean": float(np.mean(left - right)),
                "low": float(interval.low),
                "high": float(interval.high),
                "sd_left": float(np.std(left, ddof=1)),
            }
        )
    return cases


if __name__ == "__main__":
    main()
