"""Adapters in AdapterHub's own files: saved by `adapters`, and loaded by it.

    adapterhub_files.py save FOLDER   # NAME/BACKBONE/: the files, and `logits.safetensors`
    adapterhub_files.py load FOLDER   # writes `loaded.safetensors` beside each adapter found
    adapterhub_files.py fixtures      # saves those that are committed, in `tests/fixtures/adapterhub`

The models are those of `tests/fixtures/parity`; each example of their batch goes in alone, so
nothing is padded. Adapters get random values of a size at which each of their parts matters,
and logits are computed in f64.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from adapters import AdapterConfig, BertAdapterModel, RobertaAdapterModel, T5AdapterModel
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor
from transformers import AutoConfig, PreTrainedModel

from double_precision import double_precision

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "parity"
BACKBONES = ["t5_v1_0", "t5_v1_1", "bert", "roberta"]
CLASSES = 3
NAME = "task"

_CLASSES = {"t5": T5AdapterModel, "bert": BertAdapterModel, "roberta": RobertaAdapterModel}

# What there is of each library's configuration, small enough for models of width 32.
CONFIGS: dict[str, tuple[str, dict[str, object]]] = {
    "compacter": ("compacter", {"reduction_factor": 4}),
    "compacter_own": ("compacter", {"reduction_factor": 4, "shared_phm_rule": False}),
    "compacter_whole": ("compacter", {"reduction_factor": 4, "factorized_phm_W": False}),
    "compacter_plus_plus": ("compacter++", {"reduction_factor": 4, "leave_out": [1]}),
    "houlsby": ("double_seq_bn", {"reduction_factor": 4}),
    "pfeiffer": ("seq_bn", {"reduction_factor": 4}),
    "output_alone": ("seq_bn", {"reduction_factor": 4, "original_ln_before": False}),
    "parallel": ("par_bn", {"reduction_factor": 4, "scaling": 2.5}),
    "lora": ("lora", {"r": 4, "alpha": 6}),
    "lora_qkv": ("lora", {"r": 2, "alpha": 4, "attn_matrices": ["q", "k", "v"]}),
    "dora": ("dora", {"r": 4, "alpha": 4}),
    "ia3": ("ia3", {}),
    "prefix": ("prefix_tuning", {"prefix_length": 3, "bottleneck_size": 5}),
    "prefix_flat": ("prefix_tuning_flat", {"prefix_length": 3}),
    "prompt": ("prompt_tuning", {"prompt_length": 3}),
}

# Copies of other tensors, and BERT's pooler, which no head here reads.
_NOT_THERE = ("embed_tokens", "base_model_embeddings", "pooler")


def applies(config: str, backbone: str) -> bool:
    is_t5 = backbone.startswith("t5")
    # There are no prompts for T5, and DoRA is the paper's on maps without a bias only.
    return {"prompt": not is_t5, "dora": is_t5}.get(config, True)


def model_of(backbone: str) -> PreTrainedModel:
    """The tiny model, in the class of AdapterHub's that has heads of its own."""
    config = AutoConfig.from_pretrained(MODELS / backbone, attn_implementation="eager")
    config._name_or_path = f"tiny/{backbone}"  # which saved configurations tell
    model = _CLASSES[config.model_type](config)
    found = model.base_model.load_state_dict(weights(backbone), strict=False)
    strangers = set(found.unexpected_keys) - {"lm_head.weight"}
    missing = [key for key in found.missing_keys if not any(part in key for part in _NOT_THERE)]
    if strangers or missing:
        raise SystemExit(f"{backbone}: {strangers} {missing}")
    return model.eval()


def weights(backbone: str) -> dict[str, Tensor]:
    return load_file(MODELS / backbone / "model.safetensors")


def output_layer(backbone: str) -> Tensor:
    """T5's output layer, which `T5AdapterModel` leaves to a head."""
    found = weights(backbone)
    return found.get("lm_head.weight", found["shared.weight"]).double()


def draw(model: PreTrainedModel, seed: int) -> None:
    """Gives every tensor of the adapter and its head random values."""
    generator = Generator().manual_seed(seed)
    drawn: set[int] = set()
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            if f".{NAME}." not in f".{name}." or id(tensor) in drawn:
                continue
            drawn.add(id(tensor))
            noise = torch.randn(tensor.shape, generator=generator)
            scaled = "lora_B" in name and tensor.shape[-1] == 1 and bool((tensor == 1).all())
            if name.endswith(".m.weight"):
                tensor.mul_(1 + 0.2 * noise)
            elif scaled:
                tensor.copy_(1 + 0.4 * noise)
            else:
                tensor.copy_(0.2 * noise)


def case(backbone: str) -> dict:
    return json.loads((MODELS / backbone / "case.json").read_text())["batch"]


def logits(model: PreTrainedModel, backbone: str) -> Tensor:
    """Logits of the batch: `[target tokens, vocab]` of T5, `[b, classes]` of encoders."""
    batch = case(backbone)
    model = model.double()
    found = []
    with torch.no_grad(), double_precision():
        for at, ids in enumerate(batch["source"]):
            source = torch.tensor([ids])
            if backbone.startswith("t5"):
                target = torch.tensor([[0, *batch["target"][at][:-1]]])
                hidden = model(input_ids=source, decoder_input_ids=target).last_hidden_state
                found.append((hidden @ output_layer(backbone).T)[0])
            else:
                types = torch.tensor([batch["types"][at]])
                found.append(model(input_ids=source, token_type_ids=types).logits)
    return torch.cat(found)


def is_committed(config: str, backbone: str) -> bool:
    return backbone in ("t5_v1_0", "bert") or config == "compacter"


def save(folder: Path, wanted: Callable[[str, str], bool] = applies) -> None:
    for backbone in BACKBONES:
        for seed, (name, (preset, fields)) in enumerate(CONFIGS.items()):
            if not (applies(name, backbone) and wanted(name, backbone)):
                continue
            model = model_of(backbone)
            model.add_adapter(NAME, config=AdapterConfig.load(preset, **fields))
            if not backbone.startswith("t5"):
                model.add_classification_head(NAME, num_labels=CLASSES, layers=1)
            model.set_active_adapters(NAME)
            draw(model, seed)
            to = folder / name / backbone
            to.parent.mkdir(parents=True, exist_ok=True)
            # Both kinds of files are read; tensors that layers share go into pickles only.
            safe = seed % 2 == 0 and not name.startswith("prefix")
            model.save_adapter(str(to), NAME, use_safetensors=safe)
            save_file({"logits": logits(model, backbone).contiguous()}, to / "logits.safetensors")


def load(folder: Path) -> None:
    for config in sorted(folder.glob("*/*/adapter_config.json")):
        to = config.parent
        backbone = to.name
        model = model_of(backbone)
        info: dict[str, list[str]] = {}
        model.load_adapter(
            str(to), set_active=True, use_safetensors=True, loading_info=info, load_as=NAME
        )
        if info.get("unexpected_keys"):
            raise SystemExit(f"{to}: not loaded: {info['unexpected_keys']}")
        # Of a pool of prefixes every layer has a copy, and files need hold only one.
        missing = [key for key in info.get("missing_keys", []) if ".pool." not in key]
        if missing:
            raise SystemExit(f"{to}: missing: {missing}")
        norms = to / "layer_norms.safetensors"
        if norms.exists():
            found = model.load_state_dict(load_file(norms), strict=False)
            if found.unexpected_keys:
                raise SystemExit(f"{norms}: not loaded: {found.unexpected_keys}")
        if not backbone.startswith("t5") and NAME not in model.heads:
            raise SystemExit(f"{to}: the head was not loaded")
        save_file({"logits": logits(model, backbone).contiguous()}, to / "loaded.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["save", "load", "fixtures"])
    parser.add_argument("folder", type=Path, nargs="?", default=MODELS.parent / "adapterhub")
    arguments = parser.parse_args()
    match arguments.what:
        case "save":
            save(arguments.folder)
        case "load":
            load(arguments.folder)
        case "fixtures":
            save(arguments.folder, is_committed)


if __name__ == "__main__":
    main()
