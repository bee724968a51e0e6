"""Writes tests/fixtures/factors/cases.json: norm, drift and singular values by NumPy.

A projection is the sum over i of kron(A[i], s[i] @ t[i]), built here and taken apart again.
Entry k of A, s and t, counted from 0 over the whole array, is sin(a + b * k²) with the a
and b below; after the change, all of it times (1 + step * cos(k)).
"""

import json
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).parent.parent / "fixtures" / "factors" / "cases.json"

SHAPES = [  # n, rank, rows and columns of s[i] @ t[i]
    (1, 3, 9, 5),
    (2, 1, 7, 3),
    (2, 4, 3, 8),
    (4, 1, 12, 6),
    (4, 2, 6, 2),
    (8, 1, 4, 3),
    (12, 3, 2, 1),
]
STEPS = [1e-1, 1e-4, 1e-7]


def main() -> None:
    cases = [case(*shape, step) for shape in SHAPES for step in STEPS]
    FIXTURE.parent.mkdir(exist_ok=True)
    FIXTURE.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


def case(n: int, rank: int, rows: int, columns: int, step: float) -> dict:
    """One projection, and what NumPy says of it."""
    start = factors(n, rank, rows, columns, 0.0)
    now = factors(n, rank, rows, columns, step)
    # In extended precision, because the difference of the two loses seven digits.
    change = built(*now) - built(*start)
    built_now = built(*now).astype(np.float64)
    return {
        "n": n,
        "rank": rank,
        "rows": rows,
        "columns": columns,
        "step": step,
        "norm": float(np.linalg.norm(built_now)),
        "drift": float(np.sqrt((change**2).sum())),
        "spectrum": np.linalg.svd(built_now, compute_uv=False).tolist(),
    }


def factors(n: int, rank: int, rows: int, columns: int, step: float) -> list[np.ndarray]:
    """A, s and t, rounded to f64 as they are trained."""
    shapes = [(n, n, n), (n, rows, rank), (n, rank, columns)]
    return [
        entries(shape, a, b, step)
        for shape, (a, b) in zip(shapes, [(0.3, 1.7), (1.1, 0.9), (2.0, 2.3)], strict=True)
    ]


def entries(shape: tuple[int, ...], a: float, b: float, step: float) -> np.ndarray:
    """The array described above."""
    k = np.arange(np.prod(shape), dtype=np.float64)
    return (np.sin(a + b * k * k) * (1.0 + step * np.cos(k))).reshape(shape)


def built(slow: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The projection itself, in extended precision."""
    wide = [array.astype(np.longdouble) for array in (slow, left, right)]
    return sum(np.kron(a, s @ t) for a, s, t in zip(*wide, strict=True))


if __name__ == "__main__":
    main()
