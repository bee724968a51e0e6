"""Intrinsic SAID (arXiv:2012.13255) with Fastfood maps, from the formulas.

`θᵢ = θᵢ⁰ + λᵢ·Pᵢ(z)`; `P(z) = [H·G·Π·H·B·z]₁…D / √(D·ΣG²)` with signs `B`, a permutation `Π`
and normal numbers `G` that are functions of a key and the position: the counter-based
generator of `core/src/random.rs`, and the permutation of `core/src/ops/fastfood.rs`.
"""

import math

import numpy
import torch
from torch import Tensor
from transformers import PreTrainedModel

from methods import Tensors

DIMENSION = 200
_ALL = 2**64 - 1
_WEYL = 0x9E3779B97F4A7C15


def _mix(z: int) -> int:
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _ALL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _ALL
    return z ^ (z >> 31)


class Key:
    """A stream of random numbers by position."""

    def __init__(self, state: int) -> None:
        self.state = state

    @staticmethod
    def seeded(seed: int) -> "Key":
        return Key(_mix(seed))

    def named(self, name: str) -> "Key":
        digest = 0xCBF29CE484222325
        for byte in name.encode():
            digest = (digest ^ byte) * 0x100000001B3 & _ALL
        return Key(_mix(self.state ^ _mix((digest + _WEYL) & _ALL)))

    def bits(self, at: int) -> int:
        return _mix((self.state + at * _WEYL) & _ALL)

    def normal(self, at: int) -> float:
        first, second = (self.bits(2 * at + i) >> 11 for i in (0, 1))
        radius = math.sqrt(-2 * math.log(1 - first / 2**53))
        return radius * math.cos(math.tau * (second / 2**53))


def _hadamard(x: Tensor) -> Tensor:
    """The Walsh–Hadamard transform in natural order."""
    size = 1
    while size < len(x):
        pairs = x.view(-1, 2, size)
        x = torch.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1).flatten()
        size *= 2
    return x


def _source(at: int, bits: int, rounds: list[tuple[int, int]]) -> int:
    mask, shift = 2**bits - 1, max(1, (bits + 1) // 2)
    for add, odd in rounds:
        at = (at + add) * odd & mask
        at ^= at >> shift
    return at


def fastfood(z: Tensor, elements: int, key: Key) -> Tensor:
    """The map of `z` to so many elements."""
    bits = (elements - 1).bit_length()
    padded = 2**bits
    signs, shuffle, normal = (key.named(name) for name in ("signs", "shuffle", "normal"))
    rounds = [(shuffle.bits(2 * i), shuffle.bits(2 * i + 1) | 1) for i in range(3)]
    drawn = numpy.array([normal.normal(at) for at in range(padded)], dtype=numpy.float32)
    gauss = torch.from_numpy(drawn.astype(numpy.float64)).to(z.dtype)
    sign = torch.tensor([1 - 2 * (signs.bits(at) & 1) for at in range(padded)], dtype=z.dtype)
    source = torch.tensor([_source(at, bits, rounds) for at in range(padded)])
    x = torch.nn.functional.pad(z[:padded], (0, max(0, padded - len(z))))
    y = _hadamard(_hadamard(x * sign)[source] * gauss)[:elements]
    return y / (elements * (gauss.double() ** 2).sum().item()) ** 0.5


def weight_names(model: PreTrainedModel) -> list[str]:
    """Names of the weights in the order in which the Rust model shows them."""
    named = [name for name, _ in model.named_parameters() if "pooler" not in name]
    if model.config.model_type != "t5":
        return named

    def place(name: str) -> tuple:
        stack = ["shared", "encoder", "decoder", "lm_head"].index(name.split(".")[0])
        if "relative_attention_bias" in name:
            return (stack, -1)
        if ".block." not in name:
            return (stack, math.inf)
        _, _, block, _, layer, *rest = name.split(".")
        return (stack, int(block), int(layer), rest[0] != "layer_norm", named.index(name))

    return sorted(named, key=place)


def draw(model: PreTrainedModel, generator: torch.Generator) -> Tensors:
    """A vector and scales away from where they start."""
    weights = len(weight_names(model))
    return {
        "said.vector": 0.5 * torch.randn(DIMENSION - weights, generator=generator),
        "said.scale": 1 + 0.5 * torch.randn(weights, generator=generator),
    }


def computed(model: PreTrainedModel, values: Tensors) -> Tensors:
    """The weights at a point of the subspace, by name."""
    names, frozen = weight_names(model), dict(model.named_parameters())
    key = Key.seeded(0).named("said")
    z, scales = values["said.vector"], values["said.scale"]
    return {
        name: frozen[name]
        + scales[at] * fastfood(z, frozen[name].numel(), key.named(name)).view_as(frozen[name])
        for at, name in enumerate(names)
    }
