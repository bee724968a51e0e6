"""Writes tests/fixtures/torch: learning rate schedules and AdamW with clipping.

schedules.json: Hugging Face's schedules; `factors[s]` multiplies the learning rate of step
`s`, from 0, the factor after the last step included.

adamw.json: `torch.optim.AdamW` fed with given gradients: values after each step, and the
gradient's norm before `torch.nn.utils.clip_grad_norm_`, on a vector that PyTorch holds as
two tensors (the norm is of both together). A `clip_norm` of null clips nothing.
"""

import json
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import get_scheduler

FIXTURES = Path(__file__).parent.parent / "fixtures" / "torch"
# Steps and warm-up steps: none, some, nothing but warm-up, and more warm-up than steps.
SHAPES = [(10, 0), (20, 2), (37, 5), (6, 6), (4, 8), (1, 0)]
SIZES = (6, 4)
STEPS = 12
# From vanishing to exploding; at 0 the gradient is nil.
GRADIENT_SCALES = (1.0, 0.1, 3.0, 1e-3, 0.0, 1e-10, 1e4, 1.0, 0.3, 2.0, 0.5, 1.0)


def main() -> None:
    torch.set_num_threads(1)
    kinds = ("linear", "cosine", "constant_with_warmup")
    schedules = [schedule_case(kind, *shape) for kind, shape in product(kinds, SHAPES)]
    write_list(FIXTURES / "schedules.json", schedules)
    choices = product((torch.float64, torch.float32), (0.0, 0.1), (None, 1.0))
    write_list(FIXTURES / "adamw.json", [adamw_case(*choice) for choice in choices])


def schedule_case(kind: str, steps: int, warmup: int) -> dict:
    """Factors of a schedule at every step."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(kind, optimizer, warmup, steps)
    factors = []
    for _ in range(steps + 1):
        factors += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    name = kind.removesuffix("_with_warmup")
    return {"kind": name, "steps": steps, "warmup": warmup, "factors": factors}


def adamw_case(dtype: torch.dtype, weight_decay: float, clip_norm: float | None) -> dict:
    """A trajectory of AdamW under given gradients."""
    generator = torch.Generator().manual_seed(0)
    initial = torch.randn(sum(SIZES), generator=generator).to(dtype)
    gradients = [
        scale * torch.randn(sum(SIZES), generator=generator).to(dtype) for scale in GRADIENT_SCALES
    ]
    parameters = [nn.Parameter(part.clone()) for part in initial.split(SIZES)]
    settings = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": weight_decay}
    optimizer = torch.optim.AdamW(parameters, **settings)
    norms, values = [], []
    for gradient in gradients:
        # A copy: clipping scales in place what is kept here.
        for parameter, part in zip(parameters, gradient.clone().split(SIZES), strict=True):
            parameter.grad = part
        limit = float("inf") if clip_norm is None else clip_norm
        norms.append(nn.utils.clip_grad_norm_(parameters, limit).item())
        optimizer.step()
        values.append(torch.cat([p.detach() for p in parameters]))
    return settings | {
        "dtype": "f64" if dtype == torch.float64 else "f32",
        "clip_norm": clip_norm,
        "initial": initial.tolist(),
        "gradients": to_lists(gradients),
        "norms": norms,
        "values": to_lists(values),
    }


def to_lists(tensors: list[Tensor]) -> list[list[float]]:
    return [tensor.tolist() for tensor in tensors]


def write_list(path: Path, cases: list[dict]) -> None:
    """JSON with a line for each case."""
    path.write_text("[\n  " + ",\n  ".join(map(json.dumps, cases)) + "\n]\n")


if __name__ == "__main__":
    main()
