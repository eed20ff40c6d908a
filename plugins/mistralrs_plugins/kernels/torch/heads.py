"""Heads apart: joined, multiplied each by its own matrix, scaled by position."""

from __future__ import annotations

import torch
from torch import Tensor


def join_heads(x: Tensor, y: Tensor, heads: int) -> Tensor:
    """Pieces of every head side by side."""
    return torch.cat((x.unflatten(1, (heads, -1)), y.unflatten(1, (heads, -1))), dim=-1).flatten(1)


def heads_linear(x: Tensor, weight: Tensor) -> Tensor:
    """A batched product over heads."""
    heads = x.unflatten(1, (weight.shape[0], -1)).transpose(0, 1)
    return torch.bmm(heads, weight.transpose(1, 2)).transpose(0, 1).flatten(1)


def position_scale(x: Tensor, positions: Tensor, stretch: float, factor: float, first: int) -> Tensor:
    """Grows with the logarithm of the position."""
    scale = 1 + factor * torch.log1p(torch.floor((positions.float() + first) / stretch))
    return (x * scale[:, None]).to(x.dtype)
