"""Writes the fixtures of core/src/data: what PyTorch, transformers, SentencePiece and Arrow give.

    python tests/python/make_data_fixtures.py

needs torch, transformers 4.57, sentencepiece 0.2 and pyarrow. The tiny tokenizers are
trained here on sentences written here.
"""

import contextlib
import io
import json
import random
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
import torch
from transformers import BertTokenizerFast, T5Tokenizer, T5TokenizerFast
from transformers.utils import logging

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
DATA = FIXTURES / "data"
TOKENIZERS = FIXTURES / "tokenizers"

CORPUS = """
The baker on the corner sells bread before the sun is up.
Nobody in the village could remember a colder winter.
She put the letter back into its envelope and said nothing.
A good answer is often shorter than the question.
The train to the coast leaves every hour, except on Sundays.
It was not a bad film, but it was a very long one.
Three of the seven bridges were closed for repairs.
He reads the newspaper from the last page to the first.
What did the committee decide about the new library?
The children had built a house out of old boxes and rope.
Please send the results to the laboratory by Friday.
I have never seen so many birds in one tree!
The price of coffee rose by 12.5 percent in 2019.
"We shall see," said the captain, and looked at the clouds.
Their garden is full of tomatoes, beans and wild flowers.
To be honest, the second chapter is better than the first.
The museum's roof is leaking again; the director is worried.
They walked along the river until the lights went out.
An engineer checks each valve twice before the pump is started.
Why would anyone paint a perfectly good door green?
Der Bäcker an der Ecke verkauft schöne Brötchen für Zürich.
Le café près de la gare est fermé à midi, hélas.
""".strip().split("\n")


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ",\n".join(json.dumps(row, ensure_ascii=True) for row in value)
    path.write_text(f"[\n{rows}\n]\n", encoding="utf-8")


def permutations() -> None:
    cases = []

    def add(n: int, seed: int, dtype=torch.int64) -> None:
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        checksum = 0
        for start in range(0, n, 1 << 22):
            part = order[start : start + (1 << 22)].to(torch.int64)
            weights = torch.arange(start + 1, start + 1 + len(part))
            checksum += int((part * weights).sum())  # wraps at 2^64, as the test does
        cases.append(
            {
                "n": n,
                "seed": seed,
                "first": order[:8].tolist(),
                "last": order[-8:].tolist(),
                "checksum": checksum % 2**64,
            }
        )

    for n in (0, 1, 2, 3, 10, 277, 408, 623, 624, 625, 3668, 10_000, 67_349):
        add(n, 42)
    for seed in (0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 42, 2**63 - 1, 2**63, 2**64 - 1):
        add(1000, seed)
    # The last size of the one algorithm and the first of the other.
    add(214_748_363, 7, torch.int32)
    add(214_748_364, 7, torch.int32)
    write_json(DATA / "randperm.json", cases)


def decimals() -> None:
    values = [0.0, 1.0, 5.0, 0.05, 0.15, 0.25, 0.35, 0.45, 2.65, 3.75, 4.25, 4.949999, 4.95, -0.04]
    values += [-1.25, 3.8000000000000003, 2.5999999, 123456.75, 1e-9, 0.5, 1 / 3]
    write_json(DATA / "decimals.json", [[value, str(round(value, 1))] for value in values])


def nested_files() -> None:
    """The tasks that are nested on the hub, in its columns."""
    import pyarrow
    from pyarrow import parquet

    paragraph = "It is early.<br>The baker <b>sells</b> bread."
    answers = [("Who sells bread?", 0, "the baker", 1), ("Who sells bread?", 0, "nobody", 0)]
    answers += [("What is sold?", 1, "bread", 1)]
    multirc = [
        {
            "paragraph": paragraph,
            "question": question,
            "answer": answer,
            "idx": {"paragraph": 0, "question": number, "answer": at},
            "label": label,
        }
        for at, (question, number, answer, label) in enumerate(answers)
    ]
    record = [
        {
            "passage": "It is early.\n@highlight\nAnn waits",
            "query": f"@placeholder {ends}",
            "entities": ["Ann", "the baker"],
            "entity_spans": {"text": ["Ann"], "start": [26], "end": [29]},
            "answers": answers,
            "idx": {"passage": 0, "query": at},
        }
        for at, (ends, answers) in enumerate([("sells bread.", ["the baker"]), ("waits.", ["Ann"])])
    ]
    for name, rows in {"multirc": multirc, "record": record}.items():
        table = pyarrow.Table.from_pylist(rows)
        parquet.write_table(table, DATA / f"{name}.parquet", compression="snappy")


def parquet_files() -> None:
    import pyarrow
    from pyarrow import parquet

    good = pyarrow.table(
        {
            "sentence": ["plain", "with\ttab and\nline", "Zürich \U0001f642"],
            "label": pyarrow.array([0, 1, 0], pyarrow.int64()),
            "score": [0.5, 3.0, 1e20],
            "ok": [True, False, True],
        }
    )
    for codec in ("snappy", "gzip", "zstd"):
        parquet.write_table(good, DATA / f"{codec}.parquet", compression=codec)
    null = pyarrow.table({"sentence": ["a", None], "label": [0, 1]})
    parquet.write_table(null, DATA / "null.parquet")
    nested = pyarrow.table({"sentence": ["a"], "label": [[1, 2]]})
    parquet.write_table(nested, DATA / "nested.parquet")


def rules(path: Path) -> None:
    """A small part of nmt_nfkc: compositions, full-width forms, ligatures, spaces, controls."""
    table = {"\t": " ", "\n": " ", "\r": " ", "\x0b": "", "\x7f": "", "\xad": "", "\u200b": ""}
    table |= {space: " " for space in "\xa0\u2003\u200a\u3000"}
    letters = [chr(c) for c in range(0xC0, 0x180)] + list("ﬁﬂ™½²ǆ…") + list("ẅậ")
    letters += [chr(c) for c in range(0xFF01, 0xFF5F)]
    for letter in letters:
        composed = unicodedata.normalize("NFKC", letter)
        if composed != letter:
            table[letter] = composed
        decomposed = unicodedata.normalize("NFD", letter)
        if decomposed != letter:
            table[decomposed] = composed
    lines = []
    for source, target in table.items():
        columns = (" ".join(f"{ord(c):X}" for c in text) for text in (source, target))
        lines.append("\t".join(columns))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def train(folder: str, **options) -> Path:
    writer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=writer,
        model_type="unigram",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    path = TOKENIZERS / folder / "spiece.model"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(writer.getvalue())
    return path


ODD = [
    "",
    " ",
    "   ",
    "\t",
    "The baker sells bread.",
    "  two  spaces  inside   ",
    "tab\tand\nnewline",
    "ＦＵＬＬ　ｗｉｄｔｈ！",
    "café cafe\u0301 Zürich Zu\u0308rich A\u030a",
    "e\u0301\u0302 x\u0301 \u0301",
    "emoji \U0001f642\U0001f642 and 👩‍👩‍👧 and 🇨🇭",
    "ﬁre ½ price™ … ²",
    "\u2581start \u2581 end\u2581",
    "zero\u200bwidth soft\u00adhyphen",
    "control \x01\x02 chars \x7f",
    "</s>",
    "x</s>",
    "a </s> b </s>",
    "</s></s> <pad> <unk>",
    "a<extra_id_0>b <extra_id_1> c",
    "<extra_id_0>",
    " <extra_id_0>  <extra_id_99> ",
    "\u2003<extra_id_5>\x1c\x1d x",
    "<extra_id_100> <extra_id_7 <extra_id_<extra_id_1>",
    "<<extra_id_2>>",
    "中文 字 русский עברית",
    "user [SEP] defined[SEP]symbol [SEP",
    "XYZQ KJW qqq zzz xxx aaa eee",
    "<0x41> bytes",
]


def random_texts(count: int) -> list[str]:
    chosen = random.Random(0)
    words = " ".join(CORPUS).split()
    spice = ["\u0301", "é", "e\u0301", "\t", "  ", "\u3000", "Ａ", "\U0001f642", "</s>", "<pad>"]
    spice += ["<extra_id_3>", "<extra_id_42>", "中", "[SEP]", "\xa0", "ﬁ", "\u2581", "\u0308"]
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(chosen.randint(1, 9)):
            parts.append(chosen.choice(words if chosen.random() < 0.6 else spice))
            parts.append(chosen.choice([" ", " ", ""]))
        texts.append("".join(parts))
    return texts


def encoded(tokenizer, texts, pairs) -> list[dict]:
    """Single texts whole and cut, pairs whole and cut."""
    cases = []

    def add(text, pair=None, max_length=None) -> None:
        cut = {"max_length": max_length, "truncation": "longest_first"} if max_length else {}
        ids = tokenizer(text, pair, **cut)
        case = {"text": text, "ids": ids["input_ids"]}
        if "token_type_ids" in ids:
            case["types"] = ids["token_type_ids"]
        if pair is not None:
            case["pair"] = pair
        if max_length:
            case["max_length"] = max_length
        case["decoded"] = tokenizer.decode(
            ids["input_ids"], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        cases.append(case)

    for text in texts:
        add(text)
    for text in texts[:12]:
        add(text, max_length=6)
    for number, (text, pair) in enumerate(pairs):
        add(text, pair)
        for max_length in (5, 8, 9, 20):
            if number < 6:
                add(text, pair, max_length)
    return cases


def t5(folder: str, path: Path, count: int) -> None:
    slow = T5Tokenizer(str(path), legacy=True)
    texts = ODD + random_texts(count - len(ODD))
    pairs = list(zip(CORPUS[:8], reversed(CORPUS[:8]), strict=True))
    write_json(TOKENIZERS / folder / "cases.json", encoded(slow, texts, pairs))


def sentencepieces() -> None:
    # The path ends up in the model, so it must not be a random one.
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        rules(Path("rules.tsv"))
        tiny = train(
            "t5-tiny",
            vocab_size=220,
            normalization_rule_tsv="rules.tsv",
            user_defined_symbols=["[SEP]"],
        )
    t5("t5-tiny", tiny, 200)
    plain = train(
        "t5-bytes",
        vocab_size=450,
        normalization_rule_name="identity",
        byte_fallback=True,
        remove_extra_whitespaces=False,
    )
    t5("t5-bytes", plain, 70)
    (TOKENIZERS / "t5-bytes" / "tokenizer_config.json").write_text('{"extra_ids": 100}\n')
    with tempfile.TemporaryDirectory() as scratch:
        small = train("t5-json", vocab_size=150, normalization_rule_name="identity")
        fast = T5TokenizerFast(str(small), extra_ids=4)
        small.unlink()
        fast.save_pretrained(scratch)
        for name in ("tokenizer.json", "special_tokens_map.json"):
            (TOKENIZERS / "t5-json" / name).write_bytes((Path(scratch) / name).read_bytes())
    texts = CORPUS[:5] + ["a <extra_id_0> b", ""]
    cases = encoded(fast, texts, [(CORPUS[0], CORPUS[1])])
    write_json(TOKENIZERS / "t5-json" / "cases.json", cases)


def vocabulary(lowercase: bool) -> list[str]:
    """Letters, and the words and word ends that come more than once."""
    text = " ".join(CORPUS)
    words = (text.lower() if lowercase else text).split()
    letters = sorted(set("".join(words)) | set("abcdefghijklmnopqrstuvwxyz0123456789-"))
    ends = [word[-length:] for word in words for length in (2, 3) if len(word) > length]
    often = sorted({word for word in words if words.count(word) > 1 and len(word) > 1})
    often += sorted({f"##{end}" for end in ends if ends.count(end) > 2 and end.isalpha()})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + letters + [f"##{letter}" for letter in letters if letter.isalnum()] + often


def bert() -> None:
    for folder, lowercase in (("bert-uncased", True), ("bert-cased", False)):
        target = TOKENIZERS / folder
        target.mkdir(parents=True, exist_ok=True)
        tokens = "".join(f"{token}\n" for token in vocabulary(lowercase))
        (target / "vocab.txt").write_text(tokens, encoding="utf-8")
        config = {"do_lower_case": lowercase, "unk_token": {"content": "[UNK]", "lstrip": False}}
        if not lowercase:
            (target / "tokenizer_config.json").write_text(json.dumps(config) + "\n")
        fast = BertTokenizerFast(str(target / "vocab.txt"), do_lower_case=lowercase)
        texts = ODD + CORPUS[:9] + ["a [SEP] b [MASK] [CLS]", "unaffable " + "x" * 101]
        pairs = list(zip(CORPUS[:5], reversed(CORPUS[:5]), strict=True))
        cases = encoded(fast, texts, pairs)
        write_json(target / "cases.json", cases)
    # What sentence-transformers leaves in the file: padding and truncation to 128.
    fast.backend_tokenizer.enable_padding(length=128)
    fast.backend_tokenizer.enable_truncation(128)
    target = TOKENIZERS / "bert-json"
    target.mkdir(parents=True, exist_ok=True)
    fast.backend_tokenizer.save(str(target / "tokenizer.json"), pretty=False)
    long = " ".join(CORPUS)
    fast.backend_tokenizer.no_padding()
    fast.backend_tokenizer.no_truncation()
    write_json(target / "cases.json", encoded(fast, [CORPUS[0], long], [(CORPUS[0], CORPUS[1])]))


if __name__ == "__main__":
    logging.set_verbosity_error()
    DATA.mkdir(parents=True, exist_ok=True)
    permutations()
    decimals()
    parquet_files()
    nested_files()
    sentencepieces()
    bert()
