"""Norms, activations and the moving of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
}


def rms_norm(x: Tensor, weight: Tensor, eps: float, offset: float) -> Tensor:
    """Norm groups of ``len(weight)`` numbers, computing in float32 (Zhang and Sennrich 2019, arXiv 1910.07467)."""
    groups = x.float().view(*x.shape[:-1], -1, weight.shape[0])
    scaled = groups * torch.rsqrt(groups.square().mean(-1, keepdim=True) + eps)
    return (scaled * (weight.float() + offset)).view(x.shape).to(x.dtype)


def gated(gate: Tensor, up: Tensor, activation: str) -> Tensor:
    """``activation(gate) * up``."""
    return _ACTIVATIONS[activation](gate) * up


def split(x: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Pieces of the width."""
    return tuple(part.contiguous() for part in x.split(sizes, dim=-1))


def rows(x: Tensor, index: Tensor) -> Tensor:
    """Some of the rows."""
    return x.index_select(0, index)


def softcap(x: Tensor, cap: float) -> Tensor:
    """``cap * tanh(x / cap)``."""
    return torch.tanh(x / cap) * cap
