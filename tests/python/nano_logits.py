"""Writes what transformers computes with the embedded model: ids and logits.

    python tests/python/nano_logits.py FOLDER out.safetensors

For each pair of texts below there are `source.N` and `target.N` (ids), and the logits
`f32.N` (weights up-cast) and `bf16.N` (weights as stored), both as f32.
"""

import sys

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, T5ForConditionalGeneration

PAIRS = [
    ("The old man walked <extra_id_0> the river, carrying wood.", "<extra_id_0> slowly along <extra_id_1>"),
    ("I don't like \"soup\"; it's cold!", "negative"),
    ("What makes bread rise?", "reason"),
]


def main() -> None:
    folder, out = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tensors = {}
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        model = T5ForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval()
        for number, (source, target) in enumerate(PAIRS):
            ids, labels = (tokenizer(text, return_tensors="pt").input_ids for text in (source, target))
            with torch.no_grad():
                logits = model(input_ids=ids, labels=labels).logits[0]
            tensors[f"source.{number}"], tensors[f"target.{number}"] = ids[0], labels[0]
            tensors[f"{name}.{number}"] = logits.float()
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    texts = {f"{side}.{number}": text for number, pair in enumerate(PAIRS) for side, text in zip(("source", "target"), pair)}
    save_file(tensors, out, metadata=texts)


if __name__ == "__main__":
    main()
