"""Writes `tests/fixtures/pickle/pytorch_model.bin`: a checkpoint as PyTorch pickles it.

Every tensor counts 0, 1, 2 … in its own logical order, whatever its number format and
however its storage lies: whole, transposed, or a part of a storage that others share.
"""

from collections import OrderedDict
from pathlib import Path

import torch

OUT = Path(__file__).parent.parent / "fixtures" / "pickle" / "pytorch_model.bin"


def counting(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    size = torch.Size(shape)
    return torch.arange(size.numel(), dtype=dtype).reshape(size)


def checkpoint() -> OrderedDict[str, torch.Tensor]:
    shared = torch.cat([torch.full((5,), -1.0), counting(4)])
    tensors = OrderedDict()
    tensors["bert.embeddings.LayerNorm.gamma"] = counting(3)
    tensors["bert.embeddings.LayerNorm.beta"] = shared[5:]
    tensors["bert.embeddings.position_ids"] = counting(1, 4, dtype=torch.int64)
    tensors["bert.embeddings.word_embeddings.weight"] = shared[5:].reshape(2, 2)
    tensors["bert.encoder.layer.0.output.dense.weight"] = counting(2, 3).t().contiguous().t()
    for name, dtype in [("half", "float16"), ("brain", "bfloat16"), ("double", "float64")]:
        tensors[f"bert.{name}.weight"] = counting(2, 3, dtype=getattr(torch, dtype))
    # What `Module.state_dict` hangs on its result; a reader has to step over it.
    tensors._metadata = OrderedDict({"": {"version": 1}})
    return tensors


if __name__ == "__main__":
    OUT.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint(), OUT)
