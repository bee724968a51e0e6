"""Adapters of Hugging Face's `peft` on the tiny models of `tests/fixtures/parity`.

```
peft_round_trip.py write OUT              peft makes adapters, saves them, computes logits
peft_round_trip.py read OUT FOLDER …      peft loads folders that we wrote, computes logits
peft_round_trip.py fixtures               writes tests/fixtures/peft
```

A folder holds `adapter_config.json` and `adapter_model.safetensors`, and the name of its
model in `base.txt`. `expected.safetensors` has the `logits`, in f64: of every target token of a
T5, of every input of an encoder with a head, hidden states of an encoder without. An adapter's
values are random; inputs are those of the model's `case.json`. OUT is where `write` put the
models that are no fixtures.
"""

import argparse
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import (
    IA3Config,
    LoraConfig,
    PeftConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptTuningConfig,
    get_peft_model,
)
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    T5Config,
)

from double_precision import double_precision
from tiny_models import CLASSES, Backbone, packed, padded

FIXTURES = Path(__file__).parent.parent / "fixtures"
PARITY = FIXTURES / "parity"
# An odd number of layers, and fewer in the decoder: peft hands a prefix to the decoder's
# layers by a rule that depends on both.
DEEP = Backbone(
    "t5_deep",
    3,
    T5Config(
        vocab_size=64,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=3,
        num_decoder_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=16,
        decoder_start_token_id=0,
    ),
)
TASKS = {
    "SEQ_2_SEQ_LM": AutoModelForSeq2SeqLM,
    "SEQ_CLS": AutoModelForSequenceClassification,
    "FEATURE_EXTRACTION": AutoModel,
}


@dataclass(frozen=True)
class Case:
    """An adapter on one of the models."""

    name: str
    base: str
    task: str
    config: type[PeftConfig]
    settings: dict[str, Any] = field(default_factory=dict)


T5, CLS, NONE = "SEQ_2_SEQ_LM", "SEQ_CLS", "FEATURE_EXTRACTION"
ROWS = {"num_virtual_tokens": 3}
CASES = [
    Case("lora_t5", "t5_v1_0", T5, LoraConfig, dict(r=4, lora_alpha=12, target_modules=["q", "v"])),
    Case(
        "lora_t5_gated",
        "t5_v1_1",
        T5,
        LoraConfig,
        dict(r=2, lora_alpha=3, use_rslora=True, target_modules=r".*\.(q|k|v|o)"),
    ),
    Case(
        "lora_bert",
        "bert",
        CLS,
        LoraConfig,
        dict(r=4, target_modules=["query", "key", "attention.output.dense"]),
    ),
    Case("lora_roberta", "roberta", CLS, LoraConfig, dict(r=3, target_modules=["query", "value"])),
    Case("lora_bert_plain", "bert", NONE, LoraConfig, dict(r=2, target_modules=["value"])),
    Case("dora_t5", "t5_v1_0", T5, LoraConfig, dict(r=3, use_dora=True, target_modules=["q", "o"])),
    Case(
        "dora_bert", "bert", CLS, LoraConfig, dict(r=3, use_dora=True, target_modules=["query", "value"])
    ),
    # The library's own targets, which on encoders scale what the attention's output reads too.
    Case("ia3_t5", "t5_v1_0", T5, IA3Config),
    Case("ia3_t5_gated", "t5_v1_1", T5, IA3Config),
    Case(
        "ia3_t5_inward",
        "t5_v1_0",
        T5,
        IA3Config,
        dict(target_modules=["k", "v", "wi"], feedforward_modules=[]),
    ),
    Case("ia3_bert", "bert", CLS, IA3Config),
    Case("ia3_roberta", "roberta", NONE, IA3Config),
    Case("prompt_t5", "t5_v1_0", T5, PromptTuningConfig, ROWS),
    Case("prompt_bert", "bert", CLS, PromptTuningConfig, ROWS),
    Case("prompt_roberta", "roberta", NONE, PromptTuningConfig, ROWS),
    Case("prefix_t5", "t5_v1_0", T5, PrefixTuningConfig, ROWS),
    # Its heads are 24 wide together, its hidden states 32.
    Case("prefix_t5_gated", "t5_v1_1", T5, PrefixTuningConfig, dict(**ROWS, token_dim=24)),
    Case("prefix_t5_deep", "t5_deep", T5, PrefixTuningConfig, ROWS),
    Case("prefix_bert", "bert", CLS, PrefixTuningConfig, ROWS),
    Case(
        "prefix_bert_projected",
        "bert",
        CLS,
        PrefixTuningConfig,
        dict(**ROWS, prefix_projection=True, encoder_hidden_size=5),
    ),
    Case("prefix_roberta", "roberta", NONE, PrefixTuningConfig, ROWS),
]


def base_folder(name: str, out: Path) -> Path:
    """Where a model lies; the deep one is made beside the adapters."""
    if name != DEEP.name:
        return PARITY / name
    folder = out / "models" / name
    if not folder.exists():
        DEEP.build().save_pretrained(folder)
    return folder


def build(folder: Path, task: str) -> PreTrainedModel:
    """The model that a task asks for, a head of it random."""
    torch.manual_seed(1)
    config = AutoConfig.from_pretrained(folder)
    if task == CLS:
        config.num_labels = CLASSES
    model = TASKS[task].from_pretrained(folder, config=config, attn_implementation="eager")
    if task == CLS and config.model_type == "roberta":
        # The head's dense layer is the pretrained pooler's.
        weights = load_file(folder / "model.safetensors")
        for part in ("weight", "bias"):
            found = next(v for k, v in weights.items() if k.endswith(f"pooler.dense.{part}"))
            getattr(model.classifier.dense, part).data.copy_(found)
    return model.eval()


def inputs(name: str) -> dict[str, list[list[int]]]:
    """The inputs that belong to a model."""
    case = "t5_v1_0" if name == DEEP.name else name
    return json.loads((PARITY / case / "case.json").read_text())["batch"]


def logits(model: PeftModel, name: str, task: str) -> Tensor:
    """What the model makes of its inputs, without padding."""
    batch, pad = inputs(name), model.config.pad_token_id
    source, lengths = batch["source"], [len(row) for row in batch["source"]]
    given = dict(
        input_ids=padded(source, pad), attention_mask=padded([[1] * n for n in lengths], 0)
    )
    if task == T5:
        target = padded([[0, *row[:-1]] for row in batch["target"]], 0)
        found = model(**given, decoder_input_ids=target).logits
        return packed(found, [len(row) for row in batch["target"]])
    if name == "bert":
        given["token_type_ids"] = padded(batch["types"], 0)
    found = model(**given)
    if task == CLS:
        return found.logits
    hidden = found.last_hidden_state
    rows = hidden.shape[1] - max(lengths)
    return packed(hidden, [rows + length for length in lengths])


def save_logits(model: PeftModel, name: str, task: str, file: Path) -> None:
    """Computes and saves the logits."""
    with torch.no_grad(), double_precision():
        found = logits(model.double(), name, task)
    save_file({"logits": found.contiguous()}, file)


def shake(model: PeftModel) -> None:
    """Moves everything that is trained away from where it starts, but a head's dense layer."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            if value.requires_grad and ".dense." not in name.partition("classifier")[2]:
                value.add_(0.3 * torch.randn(value.shape, generator=generator))


def write_case(case: Case, out: Path) -> None:
    """Makes, saves and runs an adapter."""
    folder = out / case.name
    model = build(base_folder(case.base, out), case.task)
    torch.manual_seed(2)
    model = get_peft_model(model, case.config(task_type=case.task, **case.settings)).eval()
    shake(model)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    tidy(folder / "adapter_config.json")
    (folder / "base.txt").write_text(f"{case.base}\n")
    # Loaded again: what the file says is what is computed with.
    model = PeftModel.from_pretrained(build(base_folder(case.base, out), case.task), folder).eval()
    save_logits(model, case.base, case.task, folder / "expected.safetensors")


def pickle_case(case: str, out: Path) -> None:
    """The same adapter as older versions saved it: `adapter_model.bin`."""
    folder, copy = out / case, out / f"{case}_pickled"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    file = copy / "adapter_model.safetensors"
    torch.save(load_file(file), copy / "adapter_model.bin")
    file.unlink()


def tidy(path: Path) -> None:
    """Sets come in any order, and the base's path is this machine's."""
    config = json.loads(path.read_text())
    for key, value in config.items():
        if isinstance(value, list):
            config[key] = sorted(value)
    config["base_model_name_or_path"] = None
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def read_folder(folder: Path, out: Path) -> None:
    """Loads what we wrote; `loaded` fails where a tensor of the file has no place."""
    name = (folder / "base.txt").read_text().strip()
    task = json.loads((folder / "adapter_config.json").read_text())["task_type"]
    model = build(base_folder(name, out), task)
    model = PeftModel.from_pretrained(model, folder).eval()
    loaded(model, folder)
    save_logits(model, name, task, folder / "expected.safetensors")


def loaded(model: PeftModel, folder: Path) -> None:
    """Checks that the model holds the tensors of the file, and no others."""
    again = folder / "again"
    model.save_pretrained(again)
    ours, theirs = (load_file(at / "adapter_model.safetensors") for at in (folder, again))
    if ours.keys() != theirs.keys():
        raise ValueError(f"{folder}: {sorted(ours.keys() ^ theirs.keys())}")
    for key, value in ours.items():
        if not torch.equal(value.float(), theirs[key].float()):
            raise ValueError(f"{folder}: {key} was not loaded")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["write", "read", "fixtures"])
    parser.add_argument("out", type=Path, nargs="?", default=FIXTURES / "peft")
    parser.add_argument("folders", type=Path, nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "read":
        for folder in args.folders:
            read_folder(folder, args.out)
        return
    for case in CASES:
        if args.what == "write" or case.base != DEEP.name:
            shutil.rmtree(args.out / case.name, ignore_errors=True)
            write_case(case, args.out)
    pickle_case("dora_bert", args.out)


if __name__ == "__main__":
    main()
