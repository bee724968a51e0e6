"""The same methods in AdapterHub's own library, and its names for our tensors."""

import re

import adapters
import torch
from adapters import (
    AdapterConfig,
    CompacterConfig,
    CompacterPlusPlusConfig,
    DoubleSeqBnConfig,
    LoRAConfig,
)
from torch import Tensor
from transformers import PreTrainedModel

from methods import Tensors

_PROJECTION = re.compile(
    r"(.+)\.adapters\.t\.adapter_(down|up)(?:\.0)?\.(W_left|W_right|b|weight|bias)"
)
_LORA = re.compile(r"(.+)\.loras\.t\.lora_([AB])")
_PART = {"W_left": "left", "W_right": "right", "b": "bias", "weight": "weight", "bias": "bias"}


def our_name(theirs: str) -> str | None:
    """Our name for a tensor of AdapterHub's adapter `t`; none if it isn't a tensor of it."""
    if theirs.endswith("shared_parameters.t.phm_rule"):
        return "slow"
    if found := _PROJECTION.fullmatch(theirs):
        site, side, part = found.groups()
        return f"{site}.adapter.{side}.{_PART[part]}"
    if found := _LORA.fullmatch(theirs):
        return f"{found[1]}.lora_{found[2].lower()}"
    return None


def config_of(method: str, **fields: object) -> AdapterConfig:
    """AdapterHub's preset for one of our methods, with fields overridden."""
    presets = {
        "compacter": CompacterConfig,
        "compacter++": CompacterPlusPlusConfig,
        "adapter": DoubleSeqBnConfig,
        "lora": LoRAConfig,
    }
    return presets[method](**fields)


def add(model: PreTrainedModel, config: AdapterConfig) -> Tensors:
    """Adds the adapter to a model, freezes all else, and gives its tensors by our names."""
    adapters.init(model)
    model.add_adapter("t", config=config)
    model.train_adapter("t")
    named = ((our_name(name), value) for name, value in model.named_parameters())
    ours: dict[str, Tensor] = {name: value for name, value in named if name is not None}
    trained = {id(value) for value in model.parameters() if value.requires_grad}
    if trained != {id(value) for value in ours.values()}:
        raise ValueError("adapterhub trains tensors that have no name of ours")
    return ours


def copy_into(theirs: Tensors, values: Tensors) -> None:
    """Overwrites AdapterHub's tensors with ours; each must have its like."""
    if theirs.keys() != values.keys():
        raise ValueError(f"names differ: {sorted(theirs.keys() ^ values.keys())}")
    with torch.no_grad():
        for name, tensor in theirs.items():
            tensor.copy_(values[name])
