"""Fine-tuning methods in plain PyTorch, written from their formulas as forward hooks.

Adapters (arXiv:1902.00751, arXiv:2106.04647), `f(y) = Up(act(Down(y)))`, stand after
self-attention and after the feed-forward, never after cross-attention. With `h` what
comes into a sub-layer and `y` what its last linear layer gives:

| placement    | T5              | BERT                    |
|--------------|-----------------|-------------------------|
| paper        | h + f(y) + y    | LN(h + f(y) + y)        |
| on the sum   | h + y + f(h+y)  | LN(h + y + f(LN(h+y)))  |

The second is where AdapterHub's Compacter++ and Pfeiffer stand, after the feed-forward
only. LoRA (arXiv:2106.09685) is `q(x) + (alpha/r)·B·A·x`, likewise for v.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from transformers import PreTrainedModel

# Name to tensor: what a method adds to a model, or what it trains.
Tensors = dict[str, Tensor]
Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Site:
    """A sub-layer that an adapter can stand after."""

    name: str
    sublayer: nn.Module  # gives `y`
    layer: nn.Module  # gives `h + y` (T5), or `LN(h + y)` (BERT)
    feed_forward: bool


@dataclass(frozen=True)
class Phm:
    """Shape of a hypercomplex adapter: division `n`, bottleneck `d`, rank `r`."""

    n: int = 4
    d: int = 8
    r: int = 1


def adapter_sites(model: PreTrainedModel) -> list[Site]:
    """Every site of a model, in the order in which a token meets them."""
    return list(_t5_sites(model) if model.config.model_type == "t5" else _bert_sites(model))


def _t5_sites(model: PreTrainedModel) -> Iterator[Site]:
    for stack in ("encoder", "decoder"):
        for i, block in enumerate(getattr(model, stack).block):
            last = len(block.layer) - 1
            name = f"{stack}.block.{i}.layer"
            yield Site(f"{name}.0", block.layer[0].SelfAttention, block.layer[0], False)
            yield Site(f"{name}.{last}", block.layer[last].DenseReluDense, block.layer[last], True)


def _bert_sites(model: PreTrainedModel) -> Iterator[Site]:
    for i, layer in enumerate(model.encoder.layer):
        attention = layer.attention.output
        yield Site(f"encoder.layer.{i}.attention.output", attention.dense, attention, False)
        yield Site(f"encoder.layer.{i}.output", layer.output.dense, layer.output, True)


def phm(x: Tensor, slow: Tensor, left: Tensor, right: Tensor, bias: Tensor) -> Tensor:
    """`x·H + b`, `H = Σᵢ Aᵢ ⊗ (sᵢ tᵢ)`: the low-rank hypercomplex layer, `H` built whole."""
    terms = zip(slow, left, right, strict=True)
    return x @ sum(torch.kron(a, s @ t) for a, s, t in terms) + bias


def bottleneck(values: Tensors, site: str, act: Activation) -> Activation:
    """`y ↦ Up(act(Down(y)))`: dense, low-rank or hypercomplex, by what `values` holds."""

    def project(name: str, x: Tensor) -> Tensor:
        if f"{name}.weight" in values:
            return nn.functional.linear(x, values[f"{name}.weight"], values[f"{name}.bias"])
        if f"{name}.fast" in values:
            whole = zip(values[f"{name}.slow"], values[f"{name}.fast"], strict=True)
            return x @ sum(torch.kron(a, b) for a, b in whole) + values[f"{name}.bias"]
        if "slow" not in values:
            return x @ values[f"{name}.left"] @ values[f"{name}.right"] + values[f"{name}.bias"]
        parts = (values[f"{name}.{part}"] for part in ("left", "right", "bias"))
        return phm(x, values["slow"], *parts)

    return lambda y: project(f"{site}.adapter.up", act(project(f"{site}.adapter.down", y)))


def install_paper(sites: list[Site], values: Tensors, act: Activation) -> None:
    """Adapters on the raw output of each site's sub-layer."""
    for site in sites:
        f = bottleneck(values, site.name, act)
        site.sublayer.register_forward_hook(_on_output(lambda y, f=f: f(y) + y))


def install_on_sum(sites: list[Site], values: Tensors, act: Activation) -> None:
    """Adapters on the sum with the residual (T5), or on its norm (BERT)."""
    for site in sites:
        f = bottleneck(values, site.name, act)
        if hasattr(site.layer, "LayerNorm"):
            site.layer.register_forward_hook(_bert_on_sum(f))
        else:
            site.layer.register_forward_hook(_on_output(lambda total, f=f: total + f(total)))


def _bert_on_sum(f: Activation) -> Callable:
    def hook(layer: nn.Module, inputs: tuple[Tensor, Tensor], _output: Tensor) -> Tensor:
        total = layer.dense(inputs[0]) + inputs[1]
        return layer.LayerNorm(total + f(layer.LayerNorm(total)))

    return hook


def _on_output(change: Activation) -> Callable:
    def hook(_module: nn.Module, _inputs: tuple, output: Tensor | tuple) -> Tensor | tuple:
        # Attention gives a tuple: its output, and what it remembers.
        if isinstance(output, tuple):
            return (change(output[0]), *output[1:])
        return change(output)

    return hook


def install_lora(model: PreTrainedModel, values: Tensors, scale: float) -> None:
    """Low-rank updates of the projections that `values` holds factors for."""
    for name in lora_targets(model):
        a, b = values[f"{name}.lora_a"], values[f"{name}.lora_b"]
        model.get_submodule(name).register_forward_hook(
            lambda _module, inputs, output, a=a, b=b: output + scale * (inputs[0] @ a.T @ b.T)
        )


def lora_targets(model: PreTrainedModel) -> list[str]:
    """Names of the query and value projections, cross-attention's included."""
    wanted = {"q", "v"} if model.config.model_type == "t5" else {"query", "value"}
    return [name for name, _ in model.named_modules() if name.split(".")[-1] in wanted]


def draw_phm(sites: list[Site], width: int, shape: Phm, generator: Generator) -> Tensors:
    """Hypercomplex adapters at a scale at which they change what the model says."""
    n, d, r = shape.n, shape.d, shape.r
    values = {"slow": 0.5 * torch.randn(n, n, n, generator=generator)}
    for site in sites:
        for name, rows, columns in (("down", width, d), ("up", d, width)):
            at = f"{site.name}.adapter.{name}"
            values[f"{at}.left"] = 0.5 * torch.randn(n, rows // n, r, generator=generator)
            values[f"{at}.right"] = 0.5 * torch.randn(n, r, columns // n, generator=generator)
            values[f"{at}.bias"] = 0.2 * torch.randn(columns, generator=generator)
    return values


def draw_dense(sites: list[Site], width: int, d: int, generator: Generator) -> Tensors:
    """Adapters with dense projections, stored as PyTorch's `Linear` does (out × in)."""
    values: Tensors = {}
    for site in sites:
        for name, rows, columns in (("down", width, d), ("up", d, width)):
            at = f"{site.name}.adapter.{name}"
            values[f"{at}.weight"] = torch.randn(columns, rows, generator=generator) / rows**0.5
            values[f"{at}.bias"] = 0.2 * torch.randn(columns, generator=generator)
    return values


def draw_whole_phm(sites: list[Site], width: int, shape: Phm, generator: Generator) -> Tensors:
    """Hypercomplex adapters that share and factor nothing."""
    n, values = shape.n, {}
    for site in sites:
        for name, rows, columns in (("down", width, shape.d), ("up", shape.d, width)):
            at = f"{site.name}.adapter.{name}"
            values[f"{at}.slow"] = 0.5 * torch.randn(n, n, n, generator=generator)
            values[f"{at}.fast"] = 0.3 * torch.randn(
                n, rows // n, columns // n, generator=generator
            )
            values[f"{at}.bias"] = 0.2 * torch.randn(columns, generator=generator)
    return values


def draw_low_rank(
    sites: list[Site], width: int, d: int, rank: int, generator: Generator
) -> Tensors:
    """Adapters whose projections are products of two factors."""
    values: Tensors = {}
    for site in sites:
        for name, rows, columns in (("down", width, d), ("up", d, width)):
            at = f"{site.name}.adapter.{name}"
            values[f"{at}.left"] = torch.randn(rows, rank, generator=generator) / rows**0.5
            values[f"{at}.right"] = torch.randn(rank, columns, generator=generator)
            values[f"{at}.bias"] = 0.2 * torch.randn(columns, generator=generator)
    return values


def draw_lora(model: PreTrainedModel, rank: int, generator: Generator) -> Tensors:
    """LoRA factors, `B` random instead of zero."""
    values: Tensors = {}
    for name in lora_targets(model):
        rows, columns = model.get_submodule(name).weight.shape
        values[f"{name}.lora_a"] = torch.randn(rank, columns, generator=generator) / columns**0.5
        values[f"{name}.lora_b"] = 0.5 * torch.randn(rows, rank, generator=generator)
    return values


def draw_head(width: int, outputs: int, generator: Generator) -> Tensors:
    """A linear head on pooled vectors."""
    return {
        "head.weight": torch.randn(outputs, width, generator=generator) / width**0.5,
        "head.bias": 0.2 * torch.randn(outputs, generator=generator),
    }


def layer_norms(model: PreTrainedModel) -> Tensors:
    """Weights (and, in BERT, biases) of every layer norm."""
    parameters = model.named_parameters()
    return {name: value for name, value in parameters if "norm" in name.lower()}
