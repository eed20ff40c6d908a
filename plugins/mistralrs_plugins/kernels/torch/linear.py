"""Products with a weight, and rows of one. Blocks are decoded first, then it is an ordinary matrix."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mistralrs.ops import Weight


def embed(ids: Tensor, table: Weight, dtype: torch.dtype, scale: float) -> Tensor:
    """Rows of the table; only those are decoded."""
    found = table.rows(ids, dtype)
    return found if scale == 1.0 else found * scale


def linear(x: Tensor, weight: Weight, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias`` in the type of ``x``."""
    return F.linear(x, weight.to_dense(x.dtype), bias)


def head(x: Tensor, weight: Weight, bias: Tensor | None) -> Tensor:
    """The same, in float32 out."""
    return linear(x, weight, bias).float()
