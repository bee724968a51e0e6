"""Tiny random T5, BERT and RoBERTa models, and batches for them.

Every weight is drawn (norms and biases too), at a scale at which logits differ widely
between tokens: a model in which anything is zero, one or tiny would hide mistakes.
"""

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor
from transformers import (
    BertConfig,
    BertModel,
    PretrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
)

VOCAB = 64
WIDTH = 32
CLASSES = 3

_T5 = dict(
    vocab_size=VOCAB,
    d_model=WIDTH,
    d_ff=64,
    num_layers=2,
    num_decoder_layers=2,
    num_heads=4,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=16,
    decoder_start_token_id=0,
)
_BERT = dict(
    vocab_size=VOCAB,
    hidden_size=WIDTH,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
)


@dataclass(frozen=True)
class Backbone:
    """A tiny model's name, kind, shape, and the seed of its weights."""

    name: str
    seed: int
    config: PretrainedConfig

    @property
    def is_t5(self) -> bool:
        return self.config.model_type == "t5"

    def build(self) -> PreTrainedModel:
        """The model in f32, every weight random, dropout off."""
        kind = {"t5": T5ForConditionalGeneration, "bert": BertModel, "roberta": RobertaModel}
        # Eager attention: the form whose lines can be read and patched.
        self.config._attn_implementation = "eager"
        model = kind[self.config.model_type](self.config).eval()
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            for name, parameter in sorted(model.named_parameters()):
                parameter.copy_(_draw_weight(name, parameter.shape, generator))
        return model


# The seeds are such that the T5 models' greedy answers vary, which
# make_parity_fixtures.py checks.
BACKBONES = [
    Backbone("t5_v1_0", 2, T5Config(**_T5, d_kv=8)),
    # d_kv · heads = 24 ≠ d_model, as in some released models.
    Backbone(
        "t5_v1_1",
        14,
        T5Config(**_T5, d_kv=6, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    ),
    Backbone("bert", 1, BertConfig(**_BERT, max_position_embeddings=32)),
    Backbone(
        "roberta",
        1,
        # Positions start at pad + 1 = 2, so the table is two rows longer.
        RobertaConfig(**_BERT, max_position_embeddings=34, type_vocab_size=1, layer_norm_eps=1e-5),
    ),
]


@dataclass(frozen=True)
class Batch:
    """Sequences of different lengths and their answers; padding is added on the way in."""

    source: list[list[int]]
    types: list[list[int]] = field(default_factory=list)
    target: list[list[int]] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @property
    def mask(self) -> Tensor:
        """1 at tokens, 0 at padding. `[b, l]`"""
        return padded([[1] * len(ids) for ids in self.source], 0)


def padded(rows: list[list[int]], pad: int) -> Tensor:
    """Rows of different lengths as one matrix."""
    longest = max(map(len, rows))
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


def packed(states: Tensor, lengths: list[int]) -> Tensor:
    """Rows of real tokens only, sequence after sequence: `[b, l, …]` to `[tokens, …]`."""
    return torch.cat([row[:length] for row, length in zip(states, lengths, strict=True)])


def draw_batch(backbone: Backbone, lengths: tuple[int, ...], generator: Generator) -> Batch:
    """Random sequences of the given lengths with random answers.

    A T5 source ends in eos (1) and so does a target, one to five tokens long. In a BERT
    batch each second sequence is a pair, with segment 1 from its middle.
    """
    ids = [_draw_ids(length, generator) for length in lengths]
    if backbone.is_t5:
        source = [[*row[:-1], 1] for row in ids]
        target = [[*_draw_ids(1 + 2 * (at % 3), generator), 1] for at in range(len(lengths))]
        return Batch(source=source, types=[[0] * len(row) for row in source], target=target)
    pairs = backbone.config.type_vocab_size > 1
    return Batch(
        source=ids,
        types=[
            [int(pairs and row % 2 == 1 and at >= length // 2) for at in range(length)]
            for row, length in enumerate(lengths)
        ],
        classes=torch.randint(0, CLASSES, (len(lengths),), generator=generator).tolist(),
        values=(5 * torch.rand(len(lengths), generator=generator)).tolist(),
    )


def _draw_ids(length: int, generator: Generator) -> list[int]:
    # From 4: below it are the special tokens of every backbone here.
    return torch.randint(4, VOCAB, (length,), generator=generator).tolist()


def _draw_weight(name: str, shape: torch.Size, generator: Generator) -> Tensor:
    noise = torch.randn(shape, generator=generator)
    if "norm" in name.lower():
        return 0.2 * noise + (1.0 if name.endswith("weight") else 0.0)
    if name.endswith("bias"):
        return 0.1 * noise
    if "embedding" in name or "shared" in name or "relative_attention_bias" in name:
        return noise
    # What T5 adds to its residual is drawn larger, or tied embeddings would repeat tokens.
    gain = 3.0 if name.endswith((".o.weight", ".wo.weight")) else 1.2
    return noise * (gain / shape[-1] ** 0.5)
