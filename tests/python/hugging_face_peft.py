"""The same methods in Hugging Face's `peft`, and its names for our tensors."""

import re

from peft import PeftConfig, get_peft_model
from torch import Tensor
from transformers import PreTrainedModel

from adapterhub import scale_name
from methods import Tensors

_PART = {"lora_A": "lora_a", "lora_B": "lora_b", "lora_magnitude_vector": "magnitude"}
_LORA = re.compile(r"(.+)\.(lora_A|lora_B|lora_magnitude_vector)\.default\.weight")
_SCALE = re.compile(r"(.+)\.ia3_l\.default")


def add(model: PreTrainedModel, config: PeftConfig, method: str) -> tuple[PreTrainedModel, Tensors]:
    """Adds a method to a model in place; the model, and its tensors by our names."""
    is_t5 = model.config.model_type == "t5"
    if method != "ia3":
        config.target_modules = ["q", "v"] if is_t5 else ["query", "value"]
    elif is_t5:
        config.target_modules, config.feedforward_modules = ["k", "v", "wo"], ["wo"]
    else:
        # Patterns, for the attention's output ends in the same words.
        config.target_modules = r".*(key|value|layer\.\d+\.output\.dense)"
        config.feedforward_modules = r".*layer\.\d+\.output\.dense"
    get_peft_model(model, config)
    named = ((our_name(name, is_t5), value) for name, value in model.named_parameters())
    ours: dict[str, Tensor] = {name: value for name, value in named if name is not None}
    trained = {id(value) for value in model.parameters() if value.requires_grad}
    if trained != {id(value) for value in ours.values()}:
        raise ValueError("peft trains tensors that have no name of ours")
    return model, ours


def our_name(theirs: str, is_t5: bool) -> str | None:
    """Our name for a tensor of a method; none if it isn't a tensor of one."""
    if found := _LORA.fullmatch(theirs):
        return f"{found[1]}.{_PART[found[2]]}"
    if found := _SCALE.fullmatch(theirs):
        path = found[1]
        if path.endswith(".wo"):
            return f"{path.removesuffix('.DenseReluDense.wo')}.ia3_intermediate"
        if not is_t5 and path.endswith(".output.dense"):
            return f"{path.removesuffix('.output.dense')}.intermediate.dense.ia3_intermediate"
        return scale_name(path)
    return None
