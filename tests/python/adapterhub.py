"""The same methods in AdapterHub's own library, and its names for our tensors."""

import re

import adapters
import torch
from adapters import (
    AdapterConfig,
    CompacterConfig,
    CompacterPlusPlusConfig,
    DoRAConfig,
    DoubleSeqBnConfig,
    IA3Config,
    LoRAConfig,
    ParBnConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    SeqBnConfig,
)
from torch import Tensor
from transformers import PreTrainedModel

from methods import Tensors

_PROJECTION = re.compile(
    r"(.+)\.adapters\.t\.adapter_(down|up)(?:\.0)?\.(W_left|W_right|W|phm_rule|b|weight|bias)"
)
_PREFIX = re.compile(r".+\.prefix_tunings\.t\..+")
_MAGNITUDE = re.compile(r"(.+)\.loras\.t\.m\.weight")
_LORA = re.compile(r"(.+)\.loras\.t\.lora_([AB])")
_PART = {
    "W_left": "left",
    "W_right": "right",
    "W": "fast",
    "phm_rule": "slow",
    "b": "bias",
    "weight": "weight",
    "bias": "bias",
}
_SCALED = {
    "k": "keys",
    "key": "keys",
    "v": "values",
    "value": "values",
    "wi": "intermediate",
    "wi_1": "intermediate",
    "dense": "intermediate",
}


def our_name(theirs: str, scales: bool = False) -> str | None:
    """Our name for a tensor of AdapterHub's adapter `t`; none if it isn't a tensor of it."""
    if theirs.endswith("shared_parameters.t.phm_rule"):
        return "slow"
    if found := _PROJECTION.fullmatch(theirs):
        site, side, part = found.groups()
        return f"{site}.adapter.{side}.{_PART[part]}"
    if (found := _LORA.fullmatch(theirs)) and scales:
        return scale_name(found[1])
    if found:
        return f"{found[1]}.lora_{found[2].lower()}"
    if found := _MAGNITUDE.fullmatch(theirs):
        return f"{found[1]}.magnitude"
    if theirs.endswith("prompt_embedding.weight"):
        return "embeddings.prompt"
    return theirs if _PREFIX.fullmatch(theirs) else None


def scale_name(module: str) -> str:
    """Our name for the scales of a module's output."""
    path, _, last = module.rpartition(".")
    if last == "wi_1":
        return f"{path.removesuffix('.DenseReluDense')}.ia3_intermediate"
    if _SCALED[last] == "intermediate":
        return f"{module}.ia3_intermediate"
    return f"{path}.ia3_{_SCALED[last]}"


def config_of(method: str, **fields: object) -> AdapterConfig:
    """AdapterHub's preset for one of our methods, with fields overridden."""
    presets = {
        "compacter": CompacterConfig,
        "compacter++": CompacterPlusPlusConfig,
        "adapter": DoubleSeqBnConfig,
        "lora": LoRAConfig,
        "pfeiffer": SeqBnConfig,
        "parallel": ParBnConfig,
        "ia3": IA3Config,
        "dora": DoRAConfig,
        "prompt": PromptTuningConfig,
        "prefix": PrefixTuningConfig,
    }
    return presets[method](**fields)


def add(model: PreTrainedModel, config: AdapterConfig) -> Tensors:
    """Adds the adapter to a model, freezes all else, and gives its tensors by our names."""
    adapters.init(model)
    model.add_adapter("t", config=config)
    model.train_adapter("t")
    scales = isinstance(config, IA3Config)
    named = ((our_name(name, scales), value) for name, value in model.named_parameters())
    ours: dict[str, Tensor] = {name: value for name, value in named if name is not None}
    trained = {id(value) for value in model.parameters() if value.requires_grad}
    if trained != {id(value) for value in ours.values()}:
        raise ValueError("adapterhub trains tensors that have no name of ours")
    return ours


def copy_into(theirs: Tensors, values: Tensors) -> None:
    """Overwrites a library's tensors with ours; each must have its like."""
    if all(_PREFIX.fullmatch(name) for name in theirs):
        return  # of other shapes: see `joined_prefixes`
    if theirs.keys() != values.keys():
        raise ValueError(f"names differ: {sorted(theirs.keys() ^ values.keys())}")
    with torch.no_grad():
        for name, tensor in theirs.items():
            tensor.copy_(values[name].reshape(tensor.shape))


def joined_prefixes(model: PreTrainedModel, values: Tensors) -> Tensors:
    """Puts prefixes into AdapterHub's one module of an encoder, computed from leaves.

    There the maps of all layers are one, whose outputs are keys and values layer by layer.
    """
    leaves = {name: value.detach().clone().requires_grad_() for name, value in values.items()}
    layers = [name for name, _ in model.named_modules() if name.endswith("attention.self")]
    pool = model.get_submodule(f"{layers[0]}.prefix_tuning.pool")
    (module,) = pool.prefix_tunings["t"].values()
    parts = [f"{layer}.prefix.{part}" for layer in layers for part in ("keys", "values")]
    put = {
        (module.wte, "weight"): leaves["encoder.prefix.rows"],
        (module.control_trans[0], "weight"): leaves["encoder.prefix.down.weight"],
        (module.control_trans[0], "bias"): leaves["encoder.prefix.down.bias"],
    }
    for part in ("weight", "bias"):
        joined = torch.cat([leaves[f"{name}.{part}"] for name in parts])
        put[module.control_trans[2], part] = joined
    for (owner, part), tensor in put.items():
        delattr(owner, part)
        setattr(owner, part, tensor)
    return leaves
