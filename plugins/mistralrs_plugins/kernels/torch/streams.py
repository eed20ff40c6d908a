"""Several hidden states of a token side by side: mixed, scaled to each other, thinned out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST_SQUARE = 1e-5
"""Where a row is almost zero, dividing by its size must not blow it up."""


def known_ids(ids: Tensor, count: int) -> Tensor:
    """Zero for what is not in the table."""
    return torch.where(ids < count, ids, 0)


def lookup(values: Tensor, index: Tensor) -> Tensor:
    """One number for each index."""
    return values[index]


def mix(x: Tensor, weights: Tensor, groups: int) -> Tensor:
    """A small matrix product for each token."""
    parts, matrix = x.unflatten(1, (groups, -1)), weights.unflatten(1, (-1, groups))
    return torch.bmm(matrix, parts).flatten(1)


def match_rms(x: Tensor, like: Tensor) -> Tensor:
    """The quotient of the two sizes, computed in float32."""
    wanted = like.float().square().mean(-1, keepdim=True)
    found = x.float().square().mean(-1, keepdim=True).clamp(min=_LEAST_SQUARE)
    return (x.float() * (wanted / found).sqrt()).to(x.dtype)


def gaussian_topk(x: Tensor, deviations: float) -> Tensor:
    """What exceeds a cut-off that the row's mean and deviation give (Gemma 3n, arXiv 2506.06644)."""
    deviation, mean = torch.std_mean(x.float(), dim=-1, keepdim=True, unbiased=False)
    return F.relu(x.float() - (mean + deviations * deviation)).to(x.dtype)
