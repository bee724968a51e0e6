"""Fine-tunes all-MiniLM-L6-v2 on 512 SST-2 sentences with AdapterHub's library, step by step.

Dropout is off, so a run from the same initial values on the same batches has to give the
same losses and predictions. The head is the masked mean of the last hidden states, then
Linear(384, 2). AdamW without weight decay, 10 % warm-up and linear decay as in Hugging
Face's schedule, gradients clipped to norm 1.

Into --out go: initial.safetensors (trained tensors before the first step, by our names;
for `full` the head only), order.json (example numbers of each batch), losses.json,
logits.safetensors (`initial` and `final`, on the validation set), predictions.json, and
last run.json (settings, accuracy, and a fingerprint: a run with the same one is skipped).
"""

import argparse
import csv
import hashlib
import json
import os
import random
import subprocess
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    get_linear_schedule_with_warmup,
)
from transformers.utils import logging

import adapterhub
from double_precision import double_precision
from methods import Tensors

HERE = Path(__file__).parent
DTYPES = {"f32": torch.float32, "f64": torch.float64}
# AdapterHub's fields and the learning rate of each method.
METHODS = {
    "full": ({}, 5e-5),
    "adapter": (dict(reduction_factor=16), 1e-3),
    "lora": (dict(r=8, alpha=16), 2e-3),
    "compacter": ({}, 3e-3),
}


@dataclass(frozen=True)
class Settings:
    """What a run is determined by."""

    method: str
    dtype: str
    seed: int = 0
    epochs: int = 5
    batch_size: int = 16
    warmup: float = 0.1
    clip_norm: float = 1.0
    max_length: int = 64

    @property
    def learning_rate(self) -> float:
        return METHODS[self.method][1]


@dataclass(frozen=True)
class Examples:
    """Sentences and their classes."""

    sentences: list[str]
    classes: list[int]


class Classifier(nn.Module):
    """A backbone, masked mean pooling, and a linear head."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        super().__init__()
        torch.manual_seed(settings.seed)
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        self.max_length = settings.max_length
        self.backbone = AutoModel.from_pretrained(folder, attn_implementation="eager")
        self.head = nn.Linear(self.backbone.config.hidden_size, 2)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.adapted = add_method(self.backbone, settings.method)
        # Drawn in f32 and widened: both dtypes start from the same numbers.
        self.to(DTYPES[settings.dtype]).eval()

    def forward(self, sentences: list[str]) -> Tensor:
        tokens = self.tokenizer(
            sentences,
            padding=True,
            truncation=True,
            max_length=self.max_length,
            return_tensors="pt",
        )
        states = self.backbone(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        return self.head((states * mask).sum(1) / mask.sum(1))

    def named_trained(self) -> Tensors:
        """What AdapterHub trains and the head, by our names."""
        return self.adapted | {f"head.{name}": p for name, p in self.head.named_parameters()}


def add_method(backbone: nn.Module, method: str) -> Tensors:
    """Adds a method to a backbone and gives its tensors; for `full` there are none."""
    if method == "full":
        return {}
    return adapterhub.add(backbone, adapterhub.config_of(method, **METHODS[method][0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--dtype", choices=DTYPES, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    settings = Settings(arguments.method, arguments.dtype)
    model, data = model_folder(), data_folder()
    fingerprint = fingerprint_of(settings, [*data.glob("*.tsv"), model / "model.safetensors"])
    record = arguments.out / "run.json"
    if record.exists() and json.loads(record.read_text())["fingerprint"] == fingerprint:
        print(f"{arguments.out}: up to date")
        return
    record.unlink(missing_ok=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    train_set = read(data / f"low512_seed{settings.seed}.tsv")
    result = run(settings, model, (train_set, read(data / "validation.tsv")), arguments.out)
    write_json(record, asdict(settings) | result | {"fingerprint": fingerprint})
    print(f"{arguments.out}: accuracy {result['accuracy']:.4f} in {result['seconds']} s")


def model_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, fetched if need be."""
    fetch = subprocess.run(
        [HERE / "fetch_minilm.sh"], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(fetch.stdout.strip())


def data_folder() -> Path:
    """The folder with SST-2's files."""
    if "COMPACTER_SHARED" not in os.environ:
        raise SystemExit("COMPACTER_SHARED is not set: it names the folder with data/SST-2/*.tsv")
    return Path(os.environ["COMPACTER_SHARED"]) / "data" / "SST-2"


def fingerprint_of(settings: Settings, inputs: list[Path]) -> str:
    """Hash of the settings, the inputs, these scripts and the pinned packages."""
    sources = ("minilm_reference.py", "adapterhub.py", "double_precision.py", "requirements.txt")
    digest = hashlib.sha256(json.dumps(asdict(settings)).encode())
    for path in [*(HERE / name for name in sources), *sorted(inputs)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read(path: Path) -> Examples:
    """Reads a `sentence<tab>label` file with a header and no quoting."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return Examples([row["sentence"] for row in rows], [int(row["label"]) for row in rows])


def run(settings: Settings, folder: Path, sets: tuple[Examples, Examples], out: Path) -> dict:
    """Trains and evaluates, and writes everything but run.json."""
    train_set, validation = sets
    classifier = Classifier(folder, settings)
    save_file(
        {k: v.detach().contiguous() for k, v in classifier.named_trained().items()},
        out / "initial.safetensors",
    )
    order = draw_order(len(train_set.classes), settings)
    started = time.monotonic()
    with double_precision() if settings.dtype == "f64" else nullcontext():
        initial = predict(classifier, validation.sentences)
        losses, norms = train(classifier, train_set, order, settings)
        final = predict(classifier, validation.sentences)
    predictions = final.argmax(-1).tolist()
    write_json(out / "order.json", order)
    write_json(out / "losses.json", losses)
    write_json(out / "grad_norms.json", norms)
    write_json(out / "predictions.json", predictions)
    save_file({"initial": initial, "final": final}, out / "logits.safetensors")
    right = sum(map(int.__eq__, predictions, validation.classes))
    return {
        "accuracy": right / len(predictions),
        "learning_rate": settings.learning_rate,
        "trained": sum(p.numel() for p in classifier.parameters() if p.requires_grad),
        "seconds": round(time.monotonic() - started),
    }


def draw_order(count: int, settings: Settings) -> list[list[int]]:
    """Example numbers of each batch: every epoch is a fresh permutation."""
    generator = random.Random(settings.seed)
    batches = []
    for _ in range(settings.epochs):
        numbers = generator.sample(range(count), count)
        batches += [
            numbers[at : at + settings.batch_size] for at in range(0, count, settings.batch_size)
        ]
    return batches


def train(
    classifier: Classifier, data: Examples, order: list[list[int]], settings: Settings
) -> tuple[list[float], list[float]]:
    """Loss and gradient norm (before clipping) of each step, both before its update."""
    parameters = [p for p in classifier.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.0)
    warmup = int(settings.warmup * len(order))
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, len(order))
    losses, norms = [], []
    for numbers in order:
        logits = classifier([data.sentences[at] for at in numbers])
        loss = nn.functional.cross_entropy(
            logits, torch.tensor([data.classes[at] for at in numbers])
        )
        optimizer.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(parameters, settings.clip_norm).item())
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses, norms


@torch.no_grad()
def predict(classifier: Classifier, sentences: list[str]) -> Tensor:
    """Logits in the order given; sentences of like length share a batch. `[b, classes]`"""
    order = sorted(range(len(sentences)), key=lambda at: len(sentences[at]))
    batches = [order[at : at + 32] for at in range(0, len(order), 32)]
    logits = torch.cat([classifier([sentences[at] for at in batch]) for batch in batches])
    return logits[torch.tensor(order).argsort()]


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    main()
