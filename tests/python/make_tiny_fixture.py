"""Writes `tests/fixtures/tiny`: a random encoder, its tokenizer and a task of word lists.

The model knows nothing: its weights are random. The task can be solved all the same, from
which words occur, so that a run on it shows a loss that falls. It exists so that the
program can be tried and tested with nothing but this repository.

    python make_tiny_fixture.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "tiny"
GOOD = "bright calm clear eager fine glad kind lively neat warm witty brave".split()
BAD = "bitter cold dull empty harsh heavy loud messy rude sour stale weak".split()
NEUTRAL = "a the one this that film book song meal room day walk was is seemed felt and but very rather".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def sentences(count: int, rng: random.Random) -> list[tuple[str, str]]:
    """Makes labelled word lists: two words of one kind among five to twelve neutral ones."""
    rows = []
    for at in range(count):
        label, words = (("positive", GOOD), ("negative", BAD))[at % 2]
        text = rng.sample(words, 2) + rng.choices(NEUTRAL, k=rng.randint(5, 12))
        rng.shuffle(text)
        rows.append((" ".join(text), label))
    rng.shuffle(rows)
    return rows


def write_data(name: str, rows: list[tuple[str, str]]) -> None:
    lines = ["sentence\tlabel", *(f"{text}\t{label}" for text, label in rows)]
    (FOLDER / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_tokenizer(folder: Path) -> int:
    vocabulary = {word: at for at, word in enumerate(SPECIAL + sorted(GOOD + BAD + NEUTRAL))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(vocabulary)


def write_model(folder: Path, vocabulary: int) -> None:
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=32, initializer_range=0.3,
    )
    BertModel(config).save_pretrained(folder)


def main() -> None:
    model = FOLDER / "model"
    model.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    write_data("train.tsv", sentences(160, rng))
    write_data("validation.tsv", sentences(80, rng))
    write_model(model, write_tokenizer(model))
    print(json.dumps({path.name: path.stat().st_size for path in sorted(FOLDER.rglob("*")) if path.is_file()}))


if __name__ == "__main__":
    main()
