"""Keeps transformers' models in f64 from end to end.

T5 casts its norms and its attention softmax to f32 whatever the model's dtype, which
would leave expected numbers with seven digits. `double_precision` lifts those casts for
f64 tensors, and fails on any other operation that narrows one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers.models.t5.modeling_t5 import T5LayerNorm

_plain_float = Tensor.float


def _float_unless_double(tensor: Tensor, **kwargs: Any) -> Tensor:
    """`Tensor.float`, except that f64 stays f64."""
    return tensor if tensor.dtype == torch.float64 else _plain_float(tensor, **kwargs)


def _rms_norm(norm: T5LayerNorm, hidden: Tensor) -> Tensor:
    """T5LayerNorm (root mean square norm) in the dtype of its input."""
    variance = hidden.pow(2).mean(-1, keepdim=True)
    return norm.weight * (hidden * torch.rsqrt(variance + norm.variance_epsilon))


class _RefuseNarrowing(TorchDispatchMode):
    """Fails on an operation that takes f64 and gives a narrower float."""

    def __torch_dispatch__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        taken = _dtypes((args, kwargs))
        given = _dtypes(result)
        if torch.float64 in taken and given & {torch.float32, torch.float16, torch.bfloat16}:
            raise TypeError(f"{func} narrows f64 to {given}")
        return result


def _dtypes(tree: object) -> set[torch.dtype]:
    return {leaf.dtype for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)}


@contextmanager
def double_precision() -> Iterator[None]:
    """Within it f64 models compute in f64 only, or fail; f32 models are as ever."""
    with (
        mock.patch.object(Tensor, "float", _float_unless_double),
        mock.patch.object(T5LayerNorm, "forward", _rms_norm),
        _RefuseNarrowing(),
    ):
        yield
