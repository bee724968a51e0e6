"""Prints the ids that T5Tokenizer (slow, default behaviour) gives.

    python tests/python/t5_ids.py spiece.model < texts.jsonl > ids.jsonl

A line of input is a text as a JSON string; a line of output is its list of ids.
"""

import json
import sys

from transformers import T5Tokenizer
from transformers.utils import logging

logging.set_verbosity_error()
tokenizer = T5Tokenizer(sys.argv[1])
for line in sys.stdin:
    print(json.dumps(tokenizer(json.loads(line))["input_ids"]))
