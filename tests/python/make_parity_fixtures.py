"""Writes tests/fixtures/parity: tiny models, and what PyTorch computes with them.

The methods are hooks on Hugging Face's models (methods.py), computed in f64. Before
anything is written they are checked against the authors' layer and AdapterHub's library.
"""

import functools
import json
import operator
from dataclasses import asdict
from pathlib import Path

import torch
from peft import IA3Config, LoraConfig
from safetensors.torch import save_file
from transformers.utils import logging

import adapterhub
import authors_layer
import hugging_face_peft
from double_precision import double_precision
from methods import Tensors
from other_methods import PREFIX, PROMPT_ROWS
from tiny_models import BACKBONES, Backbone, Batch, draw_batch, padded
from tuned import LORA_ALPHA, LORA_RANK, PHM, Training, Tuned, forward, gradients, install, train

FIXTURES = Path(__file__).parent.parent / "fixtures" / "parity"
# Longer than the relative positions' max_distance (16), and no two the same.
LENGTHS = (7, 4, 19)
_FIRST = ["compacter", "lora", "adapter", "adapterhub", "adapterhub_plus", "full"]
_OTHERS = [
    "pfeiffer",
    "adapterhub_pfeiffer",
    "adapterdrop",
    "low_rank",
    "phm",
    "parallel",
    "bitfit",
    "layer_norm",
    "ia3",
    "adapterhub_ia3",
    "prompt",
    "prefix",
    "dora",
    "said",
]
METHODS = {
    "t5_v1_0": [*_FIRST, *_OTHERS, "adapterhub_parallel", "adapterhub_dora"],
    # Where a gated feed-forward or a head of its own makes a difference.
    "t5_v1_1": ["compacter", "bitfit", "ia3", "adapterhub_ia3"],
    "bert": [*_FIRST, *_OTHERS],
    "roberta": ["compacter"],
}
# AdapterHub's preset that computes what our method of that name computes.
_REDUCTION = dict(reduction_factor=4)
ADAPTERHUB = {
    "compacter": ("compacter", dict(_REDUCTION, non_linearity="gelu_new")),
    "adapter": ("adapter", dict(_REDUCTION, non_linearity="gelu_new")),
    "lora": ("lora", dict(r=LORA_RANK, alpha=int(LORA_ALPHA))),
    "adapterhub": ("compacter", _REDUCTION),
    "adapterhub_plus": ("compacter++", _REDUCTION),
    "pfeiffer": ("adapter", dict(_REDUCTION, non_linearity="gelu_new", output_adapter=False)),
    "adapterhub_pfeiffer": ("pfeiffer", _REDUCTION),
    "adapterdrop": ("adapter", dict(_REDUCTION, non_linearity="gelu_new", leave_out=[0, 2])),
    "phm": (
        "compacter",
        dict(_REDUCTION, non_linearity="gelu_new", shared_phm_rule=False, factorized_phm_W=False),
    ),
    "adapterhub_parallel": ("parallel", _REDUCTION),
    "adapterhub_ia3": ("ia3", {}),
    # It measures lengths without alpha / r, and scales biases: alpha is r here, T5 has none.
    "adapterhub_dora": ("dora", dict(r=LORA_RANK, alpha=LORA_RANK)),
    "prompt": ("prompt", dict(prompt_length=PROMPT_ROWS)),
    "prefix": ("prefix", dict(prefix_length=PREFIX["rows"], bottleneck_size=PREFIX["bottleneck"])),
}
# The same of `peft`.
PEFT = {
    "dora": LoraConfig(r=LORA_RANK, lora_alpha=int(LORA_ALPHA), use_dora=True),
    "ia3": IA3Config(),
}


def main() -> None:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    authors_layer.check()
    for backbone in BACKBONES:
        folder = FIXTURES / backbone.name
        backbone.build().save_pretrained(folder)
        case = make_case(backbone, folder)
        (folder / "case.json").write_text(one_line_a_key(case))
        print(f"{backbone.name}: {sum(f.stat().st_size for f in folder.iterdir())} bytes")


def one_line_a_key(case: dict) -> str:
    """JSON with a line for each key, so that a change shows where it is."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in case.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def make_case(backbone: Backbone, folder: Path) -> dict:
    """Writes the expected tensors of a backbone; gives the contents of its case.json."""
    generator = torch.Generator().manual_seed(backbone.seed + 200)
    batch = draw_batch(backbone, LENGTHS, generator)
    cycle = [draw_batch(backbone, lengths, generator) for lengths in ((5, 9), (3, 12, 6))]
    plan = Training()
    case = {
        "compacter": asdict(PHM),
        "lora": {"rank": LORA_RANK, "alpha": LORA_ALPHA},
        "batch": asdict(batch),
        "expected": {},
        "training": asdict(plan) | {"batches": [asdict(each) for each in cycle]},
    }
    for method in METHODS[backbone.name]:
        case["expected"][method] = make_expected(backbone, method, batch, folder)
    if backbone.name == "bert":
        case["expected"]["regression"] = make_expected(backbone, "regression", batch, folder)
    with double_precision():
        case["training"] |= train(install(backbone, "compacter", torch.float64), cycle, plan)
    if backbone.is_t5:
        case["generation"] = generate(backbone, generator)
    return case


def make_expected(backbone: Backbone, kind: str, batch: Batch, folder: Path) -> dict:
    """Writes what a method computes on a batch; gives the file's name and the losses."""
    method, outputs = ("compacter", 1) if kind == "regression" else (kind, 3)
    single = forward(install(backbone, method, torch.float32, outputs), batch)["loss"]
    with double_precision():
        tuned = install(backbone, method, torch.float64, outputs)
        computed = forward(tuned, batch)
        slopes = gradients(tuned, computed["loss"])
        check_adapterhub(backbone, method, (tuned, batch), computed | slopes)
        check_peft(backbone, method, (tuned, batch), computed | slopes)
    check_matters(backbone, method, batch, computed)
    file = "expected.safetensors" if kind == "compacter" else f"expected_{kind}.safetensors"
    values = {f"value.{name}": value for name, value in tuned.added.items()}
    grads = {f"grad.{name}": value for name, value in slopes.items()}
    tensors = {k: v.detach().contiguous() for k, v in (computed | values | grads).items()}
    save_file(tensors, folder / file)
    return {"file": file, "loss": computed["loss"].item(), "loss_f32": single.item()}


def check_adapterhub(
    backbone: Backbone, method: str, ours: tuple[Tuned, Batch], computed: Tensors
) -> None:
    """Fails where AdapterHub's library, given our tensors, computes anything else."""
    # BERT's sub-layers read the residual: both forms of parallel adapters are one there.
    method = "adapterhub_parallel" if (backbone.name, method) == ("bert", "parallel") else method
    # It has no prompts on T5, and counts a prefix among its relative positions.
    if method not in ADAPTERHUB or (backbone.is_t5 and method in ("prompt", "prefix")):
        return
    tuned, batch = ours
    preset, fields = ADAPTERHUB[method]
    model = backbone.build()
    theirs = adapterhub.add(model, adapterhub.config_of(preset, **fields))
    model.double()  # keeps the parameters' identity
    head = {name: value for name, value in tuned.added.items() if name.startswith("head.")}
    values = {name: value for name, value in tuned.added.items() if name not in head}
    adapterhub.copy_into(theirs, values)
    if method == "prefix":
        theirs = adapterhub.joined_prefixes(model, values)
    twin = Tuned(model.eval(), head, theirs | head, tuned.prompt, widens_masks=True)
    compare(twin, batch, computed)


def check_peft(
    backbone: Backbone, method: str, ours: tuple[Tuned, Batch], computed: Tensors
) -> None:
    """Fails where Hugging Face's `peft`, given our tensors, computes anything else."""
    if method not in PEFT:
        return
    tuned, batch = ours
    head = {name: value for name, value in tuned.added.items() if name.startswith("head.")}
    values = {name: value for name, value in tuned.added.items() if name not in head}
    model, theirs = hugging_face_peft.add(backbone.build(), PEFT[method], method)
    model.double()
    adapterhub.copy_into(theirs, values)
    compare(Tuned(model.eval(), head, theirs | head), batch, computed)


def compare(twin: Tuned, batch: Batch, computed: Tensors) -> None:
    """Fails where a library's model gives other numbers than those computed here."""
    expected = forward(twin, batch)
    expected |= gradients(twin, expected["loss"])
    for name, value in expected.items():
        ours = computed[name].reshape(value.shape)
        torch.testing.assert_close(ours, value, rtol=1e-9, atol=1e-11, msg=name)


def check_matters(backbone: Backbone, method: str, batch: Batch, computed: Tensors) -> None:
    """Fails where leaving a method out would hardly show."""
    if method in ("full", "layer_norm") or (method == "bitfit" and not backbone.is_t5):
        return  # nothing is added
    plain = forward(install(backbone, "full", torch.float64), batch)["logits"]
    change = (computed["logits"] - plain).norm() / plain.norm()
    if change < 0.05:
        raise ValueError(f"{backbone.name}: {method} changes logits by {change:.1%} only")


def generate(backbone: Backbone, generator: torch.Generator) -> dict:
    """Greedy answers of the Compacter model: ids up to and with eos, 12 at most.

    Hugging Face chooses tokens in f32. That f64 chooses the same is checked by feeding
    the answers back; `margin` is by how much its chosen tokens lead at the closest call.
    """
    new_tokens = 12
    source = draw_batch(backbone, (6, 11, 3), generator).source
    model = install(backbone, "compacter", torch.float32).model
    output = model.generate(
        input_ids=padded(source, 0),
        attention_mask=Batch(source).mask,
        max_new_tokens=new_tokens,
        do_sample=False,
    )
    ids = [_until(row[1:].tolist(), model.config.eos_token_id) for row in output]
    check_varied(ids, new_tokens)
    with double_precision():
        tuned = install(backbone, "compacter", torch.float64)
        best = forward(tuned, Batch(source, target=ids))["logits"].topk(2)
    if best.indices[:, 0].tolist() != functools.reduce(operator.iadd, ids, []):
        raise ValueError(f"{backbone.name}: f32 and f64 generate different answers")
    margin = (best.values[:, 0] - best.values[:, 1]).min().item()
    return {"max_new_tokens": new_tokens, "source": source, "ids": ids, "margin": margin}


def _until(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end) + 1] if end in ids else ids


def check_varied(ids: list[list[int]], new_tokens: int) -> None:
    """Fails on answers that a broken generator could give too."""
    ended = [len(answer) < new_tokens for answer in ids]
    varied = [len(set(answer)) >= 4 for answer in ids if len(answer) >= 5]
    if not any(ended) or all(ended) or not any(varied) or len({tuple(a) for a in ids}) < len(ids):
        raise ValueError(f"answers are too alike: choose another seed: {ids}")


if __name__ == "__main__":
    main()
