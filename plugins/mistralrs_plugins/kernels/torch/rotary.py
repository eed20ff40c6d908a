"""Rotary embeddings: frequencies that depend on a sequence's limit, angles, and turning the heads."""

from __future__ import annotations

import torch
from torch import Tensor

from mistralrs.errors import EngineError
from mistralrs.ops import AttentionMeta


def long_frequencies(meta: AttentionMeta, short: Tensor, long: Tensor, trained: int) -> Tensor:
    """One of two sets for each token."""
    return torch.where(_limits(meta) > trained, long, short)


def dynamic_frequencies(meta: AttentionMeta, rotary: int, theta: float, factor: float, trained: int) -> Tensor:
    """A base of its own for each token; in float64, because far positions multiply its rounding error."""
    length = _limits(meta).clamp(min=trained).double()
    base = theta * (factor * length / trained - (factor - 1)) ** (rotary / (rotary - 2))
    exponents = torch.arange(0, rotary, 2, dtype=torch.float64, device=base.device) / rotary
    return (base**-exponents).float()


def _limits(meta: AttentionMeta) -> Tensor:
    if meta.limits is None:
        raise EngineError("this model's positions depend on how long a request may become, and the step does not say")
    return meta.limits[:, None]


def rotation(positions: Tensor, inv_freq: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position's angles."""
    angles = positions[:, None].float() * inv_freq
    return angles.cos() * factor, angles.sin() * factor


def rope(x: Tensor, cos: Tensor, sin: Tensor, head_dim: int, style: str) -> Tensor:
    """Rotate pairs of each head; numbers beyond the rotated ones pass through."""
    heads = x.view(x.shape[0], -1, head_dim)
    rotary = 2 * cos.shape[1]
    turned = heads[..., :rotary].float()
    cos, sin = cos[:, None], sin[:, None]
    if style == "adjacent":
        a, b = turned[..., 0::2], turned[..., 1::2]
        result = torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)
    else:
        a, b = turned.chunk(2, dim=-1)
        result = torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)
    if rotary < head_dim:
        result = torch.cat((result, heads[..., rotary:].float()), dim=-1)
    return result.reshape(x.shape).to(x.dtype)
