"""More methods in plain PyTorch: what stands elsewhere than after a sub-layer.

| method | formula | source |
|---|---|---|
| `parallel` | `h + y + s·f(x)`, `x` the sub-layer's input, or the residual | arXiv:2110.04366 |
| `bitfit` | `W x + b`, `LN(x) + b`, `logits + b` where T5 has no `b` | arXiv:2106.10199 |
| `ia3` | `l ⊙ k`, `l ⊙ v`, `l ⊙ γ(W x)`, or `γ(l ⊙ W x)` | arXiv:2205.05638 |
| `prompt` | rows before the encoder's embedded input | arXiv:2104.08691 |
| `prefix` | rows before keys and values, `tanh(P Wᵀ + b) Wₖᵀ + bₖ` | arXiv:2101.00190 |
| `dora` | `m/‖W + s·BA‖ ⊙ (W x + s·B A x) + b`, the norm a constant | arXiv:2402.09353 |

Relative positions are those of tokens: a prefix has none, and takes none away.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import linear
from transformers import PreTrainedModel

from methods import Activation, Site, Tensors, bottleneck, lora_targets

PREFIX = {"rows": 3, "bottleneck": 5}
PROMPT_ROWS = 3
PARALLEL_SCALE = 4.0


def is_t5(model: PreTrainedModel) -> bool:
    return model.config.model_type == "t5"


def install_parallel(sites: list[Site], values: Tensors, on_residual: bool) -> None:
    """Adapters beside the feed-forward; what they read is the same in BERT either way."""
    for site in sites:
        f = bottleneck(values, site.name, torch.relu)
        if hasattr(site.layer, "LayerNorm"):
            site.layer.register_forward_hook(_bert_beside(f))
        else:
            module = site.layer if on_residual else site.sublayer
            module.register_forward_hook(
                lambda _module, inputs, output, f=f: output + PARALLEL_SCALE * f(inputs[0])
            )


def _bert_beside(f: Activation) -> Callable:
    def hook(layer: nn.Module, inputs: tuple[Tensor, Tensor], _output: Tensor) -> Tensor:
        beside = PARALLEL_SCALE * f(inputs[1])
        return layer.LayerNorm(layer.dense(inputs[0]) + inputs[1] + beside)

    return hook


def draw_biases(model: PreTrainedModel, generator: Generator) -> Tensors:
    """A bias for every linear map, inner norm and output layer of a T5; none for BERT."""
    if not is_t5(model):
        return {}
    values: Tensors = {}
    for name, module in model.named_modules():
        inner_norm = "layer_norm" in name and "final" not in name
        if isinstance(module, nn.Linear) or inner_norm:
            width = module.weight.shape[0]
            values[f"{name}.bias"] = 0.3 * torch.randn(width, generator=generator)
    return values


def install_biases(model: PreTrainedModel, values: Tensors) -> None:
    """Adds the biases that `values` holds."""
    for name, bias in values.items():
        path, _, part = name.rpartition(".")
        if part == "bias" and path != "head":
            model.get_submodule(path).register_forward_hook(
                lambda _module, _inputs, output, bias=bias: output + bias
            )


def own_biases(model: PreTrainedModel) -> Tensors:
    """The biases of a model; masked mean pooling leaves BERT's pooler unused."""
    named = model.named_parameters()
    return {name: value for name, value in named if name.endswith(".bias") and "pooler" not in name}


def _attentions(model: PreTrainedModel) -> list[tuple[str, nn.Module]]:
    ends = ("SelfAttention", "EncDecAttention") if is_t5(model) else ("attention.self",)
    return [(name, module) for name, module in model.named_modules() if name.endswith(ends)]


def _feed_forwards(model: PreTrainedModel) -> list[tuple[str, nn.Module, nn.Module]]:
    """Name of the site, the map before the non-linearity (T5's last one) and that after it."""
    if not is_t5(model):
        return [
            (f"encoder.layer.{i}", layer.intermediate.dense, layer.output.dense)
            for i, layer in enumerate(model.encoder.layer)
        ]
    found = []
    for name, module in model.named_modules():
        if name.endswith("DenseReluDense"):
            inward = module.wi_1 if hasattr(module, "wi_1") else module.wi
            found.append((name.removesuffix(".DenseReluDense"), inward, module.wo))
    return found


def ia3_sites(model: PreTrainedModel, before: bool) -> dict[str, tuple[nn.Module, bool, int]]:
    """Names of the scales, with the map each stands at, whether on its input, and its width."""
    sites: dict[str, tuple[nn.Module, bool, int]] = {}
    keys, values = ("k", "v") if is_t5(model) else ("key", "value")
    for name, module in _attentions(model):
        for part, child in (("keys", keys), ("values", values)):
            at = getattr(module, child)
            sites[f"{name}.ia3_{part}"] = (at, False, at.weight.shape[0])
    for name, inward, outward in _feed_forwards(model):
        gated = is_t5(model) and model.config.is_gated_act
        path = {
            (True, True): f"{name}.DenseReluDense.wi",
            (True, False): name,
            (False, True): f"{name}.intermediate.dense",
            (False, False): f"{name}.intermediate.dense",
        }[is_t5(model), before and not gated]
        at = inward if before else outward
        width = outward.weight.shape[1]
        sites[f"{path}.ia3_intermediate"] = (at, not before, width)
    return sites


def draw_ia3(model: PreTrainedModel, before: bool, generator: Generator) -> Tensors:
    """Scales around 1."""
    return {
        name: 1 + 0.5 * torch.randn(width, generator=generator)
        for name, (_, _, width) in ia3_sites(model, before).items()
    }


def install_ia3(model: PreTrainedModel, values: Tensors, before: bool) -> None:
    """Scales keys, values and intermediates, the latter before or after the non-linearity."""
    for name, (module, on_input, _) in ia3_sites(model, before).items():
        scale = values[name]
        if on_input:
            module.register_forward_pre_hook(
                lambda _module, inputs, scale=scale: (inputs[0] * scale,)
            )
        else:
            module.register_forward_hook(
                lambda _module, _inputs, output, scale=scale: output * scale
            )


def prompt_name(model: PreTrainedModel) -> str:
    return "encoder.prompt" if is_t5(model) else "embeddings.prompt"


def draw_prompt(model: PreTrainedModel, generator: Generator) -> Tensors:
    shape = (PROMPT_ROWS, model.config.hidden_size)
    return {prompt_name(model): torch.randn(shape, generator=generator)}


def install_prompt(model: PreTrainedModel, values: Tensors) -> None:
    """Rows before what the (encoder's) embeddings give; masks are for the caller to widen."""
    rows = values[prompt_name(model)]

    def before(embedded: Tensor) -> Tensor:
        return torch.cat([rows.expand(len(embedded), -1, -1), embedded], dim=1)

    if is_t5(model):
        # The table is the decoder's too, which gets no prompt: the encoder takes rows.
        def embed(encoder: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
            ids = kwargs.pop("input_ids", None)
            if ids is None:
                return args, kwargs
            return args, kwargs | {"inputs_embeds": before(encoder.embed_tokens(ids))}

        model.encoder.register_forward_pre_hook(embed, with_kwargs=True)
    else:
        model.embeddings.register_forward_hook(lambda _module, _inputs, output: before(output))


def _pool(model: PreTrainedModel, name: str) -> str:
    if "EncDecAttention" in name:
        return "decoder.cross_prefix"
    return f"{name.split('.')[0]}.prefix"


def draw_prefix(model: PreTrainedModel, generator: Generator) -> Tensors:
    """Rows of each kind of attention, and the maps that make keys and values of them."""
    values: Tensors = {}
    width, between = model.config.hidden_size, PREFIX["bottleneck"]

    def draw_map(path: str, out: int, inner: int) -> None:
        values[f"{path}.weight"] = torch.randn(out, inner, generator=generator) / inner**0.5
        values[f"{path}.bias"] = 0.3 * torch.randn(out, generator=generator)

    for name, module in _attentions(model):
        pool = _pool(model, name)
        if f"{pool}.rows" not in values:
            rows = torch.randn(PREFIX["rows"], width, generator=generator)
            values[f"{pool}.rows"] = rows
            draw_map(f"{pool}.down", between, width)
        inner = (module.k if is_t5(model) else module.key).weight.shape[0]
        for part in ("keys", "values"):
            draw_map(f"{name}.prefix.{part}", inner, between)
    return values


def install_prefix(model: PreTrainedModel, values: Tensors) -> None:
    """Puts rows before keys and values, in attentions written out."""
    for name, module in _attentions(model):
        pool = _pool(model, name)
        module.forward = (_t5_attention if is_t5(model) else _bert_attention)(
            module, _prefix_rows(values, pool, name)
        )


def _prefix_rows(values: Tensors, pool: str, name: str) -> Callable[[], tuple[Tensor, Tensor]]:
    def mapped(path: str, x: Tensor) -> Tensor:
        return linear(x, values[f"{path}.weight"], values[f"{path}.bias"])

    def rows() -> tuple[Tensor, Tensor]:
        hidden = torch.tanh(mapped(f"{pool}.down", values[f"{pool}.rows"]))
        return mapped(f"{name}.prefix.keys", hidden), mapped(f"{name}.prefix.values", hidden)

    return rows


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _attend(
    q: Tensor, k: Tensor, v: Tensor, prefix: tuple[Tensor, Tensor], heads: int, bias: Tensor
) -> Tensor:
    before = [_heads(rows, heads).expand(len(k), -1, -1, -1) for rows in prefix]
    k, v = (torch.cat([rows, _heads(x, heads)], 2) for rows, x in zip(before, (k, v), strict=True))
    scores = _heads(q, heads) @ k.transpose(-1, -2)
    bias = nn.functional.pad(bias, (prefix[0].shape[0], 0))
    return (torch.softmax(scores + bias, -1) @ v).transpose(1, 2).flatten(2)


def _t5_attention(module: nn.Module, rows: Callable) -> Callable:
    def forward(
        hidden_states: Tensor,
        mask: Tensor | None = None,
        key_value_states: Tensor | None = None,
        position_bias: Tensor | None = None,
        **_: object,
    ) -> tuple[Tensor, Tensor]:
        states = hidden_states if key_value_states is None else key_value_states
        length, keys = hidden_states.shape[1], states.shape[1]
        if position_bias is None:
            if module.has_relative_attention_bias:
                position_bias = module.compute_bias(
                    length, keys, device=states.device, cache_position=torch.arange(length)
                )
            else:
                shape = (1, module.n_heads, length, keys)
                position_bias = torch.zeros(shape, dtype=states.dtype)
            if mask is not None:
                position_bias = position_bias + mask[:, :, :, :keys]
        attended = _attend(
            module.q(hidden_states),
            module.k(states),
            module.v(states),
            rows(),
            module.n_heads,
            position_bias,
        )
        return module.o(attended), position_bias

    return forward


def _bert_attention(module: nn.Module, rows: Callable) -> Callable:
    def forward(
        hidden_states: Tensor, attention_mask: Tensor | None = None, *_: object, **__: object
    ) -> tuple[Tensor, None]:
        heads = module.num_attention_heads
        query = module.query(hidden_states) / module.attention_head_size**0.5
        mask = torch.zeros(1, 1, 1, hidden_states.shape[1], dtype=hidden_states.dtype)
        mask = mask if attention_mask is None else attention_mask
        key, value = module.key(hidden_states), module.value(hidden_states)
        return _attend(query, key, value, rows(), heads, mask), None

    return forward


def draw_dora(model: PreTrainedModel, rank: int, generator: Generator) -> Tensors:
    """LoRA factors and magnitudes away from the rows' lengths."""
    values: Tensors = {}
    for name in lora_targets(model):
        weight = model.get_submodule(name).weight
        rows, columns = weight.shape
        values[f"{name}.lora_a"] = torch.randn(rank, columns, generator=generator) / columns**0.5
        values[f"{name}.lora_b"] = 0.5 * torch.randn(rows, rank, generator=generator)
        change = 1 + 0.3 * torch.randn(rows, generator=generator)
        values[f"{name}.magnitude"] = weight.float().norm(dim=1) * change
    return values


def install_dora(model: PreTrainedModel, values: Tensors, scale: float, exact: bool) -> None:
    """Updates of directions beside magnitudes, at the projections that `values` names.

    Unless the gradient is to be exact, it takes the lengths for constants.
    """
    for name in lora_targets(model):
        a, b, m = (values[f"{name}.{part}"] for part in ("lora_a", "lora_b", "magnitude"))
        model.get_submodule(name).register_forward_hook(_dora((a, b, m), scale, exact))


def _dora(values: tuple[Tensor, Tensor, Tensor], scale: float, exact: bool) -> Callable:
    a, b, magnitude = values

    def hook(module: nn.Module, inputs: tuple[Tensor], _output: Tensor) -> Tensor:
        lengths = (module.weight + scale * b @ a).norm(dim=1)
        lengths = lengths if exact else lengths.detach()
        y = linear(inputs[0], module.weight) + scale * (inputs[0] @ a.T @ b.T)
        y = magnitude / lengths * y
        return y if module.bias is None else y + module.bias

    return hook
