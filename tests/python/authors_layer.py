"""Checks `methods.bottleneck` against the paper's authors' own layer.

tests/fixtures/phm holds inputs, weights, output, loss and gradients that their `PHMLinear`
computed in f32; see the README there.
"""

import json
from pathlib import Path

import torch
from torch import Tensor
from transformers.activations import ACT2FN

from methods import Tensors, bottleneck

CASES = Path(__file__).parent.parent / "fixtures" / "phm" / "original_phm_adapter_cases.json"
_PART = {"left": "W_left", "right": "W_right", "bias": "b"}


def check() -> None:
    """Fails where the factored, shared cases give another output, loss or gradient."""
    cases = json.loads(CASES.read_text())
    covered = [case for case in cases if case["factorized"] and case["shared"]]
    if not covered:
        raise ValueError(f"{CASES} has no case to check against")
    for case in covered:
        _check_case(case)


def _check_case(case: dict) -> None:
    x = _tensor(case["x"])
    values = {"slow": _tensor(case["down.phm_rule"])} | {
        f"site.adapter.{side}.{part}": _tensor(case[f"{side}.{theirs}"])
        for side in ("down", "up")
        for part, theirs in _PART.items()
    }
    y = bottleneck(values, "site", ACT2FN["gelu_new"])(x) + x
    loss = y.square().sum()
    loss.backward()
    _close("y", y, case["y"])
    _close("loss", loss, case["loss"])
    _close("x", x.grad, case["grad_x"])
    for name, gradient in _gradients(values).items():
        _close(name, gradient, case[f"grad.{name}"])


def _gradients(values: Tensors) -> Tensors:
    """Gradients by the authors' names; that of the shared slow weights sums both sides."""
    named = {"down.phm_rule": values["slow"].grad}
    for side in ("down", "up"):
        for part, theirs in _PART.items():
            named[f"{side}.{theirs}"] = values[f"site.adapter.{side}.{part}"].grad
    return named


def _tensor(numbers: list) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


def _close(name: str, found: Tensor | None, expected: object) -> None:
    wanted = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5, msg=lambda m: f"{name}: {m}")
