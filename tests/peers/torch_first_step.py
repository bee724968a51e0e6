#!/usr/bin/env python3
"""The peer of first_step.py: a plain script with `transformers` and `adapters`, which says
`step` when its first optimizer step is done.

    torch_first_step.py MODEL_FOLDER TRAIN.tsv VALIDATION.tsv
"""

import csv
import sys

import adapters
import torch
from transformers import AutoTokenizer, BertForSequenceClassification

folder, *files = sys.argv[1:]
torch.manual_seed(0)
tokenizer = AutoTokenizer.from_pretrained(folder)


def examples(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = [row["sentence"] for row in rows]
    inputs = tokenizer(texts, truncation=True, max_length=64)["input_ids"]
    return list(zip(inputs, (int(row["label"]) for row in rows), strict=True))


def collate(batch):
    inputs = tokenizer.pad({"input_ids": [ids for ids, _ in batch]}, return_tensors="pt")
    return {**inputs, "labels": torch.tensor([label for _, label in batch])}


train, _validation = (examples(path) for path in files)
model = BertForSequenceClassification.from_pretrained(folder, num_labels=2)
adapters.init(model)
model.add_adapter("peer", config=adapters.CompacterConfig(reduction_factor=32, phm_dim=4))
model.train_adapter("peer")
model.train()
trained = [weight for weight in model.parameters() if weight.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=3e-3)
loader = torch.utils.data.DataLoader(train, batch_size=16, shuffle=True, collate_fn=collate)
batch = next(iter(loader))
model(**batch).loss.backward()
torch.nn.utils.clip_grad_norm_(trained, 1.0)
optimizer.step()
print("step", flush=True)
