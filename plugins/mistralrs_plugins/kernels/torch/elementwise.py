"""Norms, activations and the moving of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from mistralrs.ops import AttentionMeta

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu2": lambda x: F.relu(x).square(),
}


def token_types(meta: AttentionMeta) -> Tensor:
    """What the batch says, or zeros."""
    return torch.zeros_like(meta.slots) if meta.types is None else meta.types


def rms_norm(x: Tensor, weight: Tensor, eps: float, offset: float) -> Tensor:
    """Norm groups of ``len(weight)`` numbers, computing in float32 (Zhang and Sennrich 2019, arXiv 1910.07467)."""
    size = weight.shape[0]
    groups = x.float().view(*x.shape[:-1], x.shape[-1] // size, size)
    scaled = groups * torch.rsqrt(groups.square().mean(-1, keepdim=True) + eps)
    return (scaled * (weight.float() + offset)).view(x.shape).to(x.dtype)


def layer_norm(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, group: int) -> Tensor:
    """Norm groups of ``group`` numbers, computing in float32 (Ba et al. 2016, arXiv 1607.06450)."""
    normed = F.layer_norm(x.float().view(*x.shape[:-1], x.shape[-1] // group, group), (group,), eps=eps)
    if weight is not None:
        normed = normed * weight.float().view(-1, group)
    if bias is not None:
        normed = normed + bias.float().view(-1, group)
    return normed.view(x.shape).to(x.dtype)


def activate(x: Tensor, activation: str) -> Tensor:
    """``activation(x)``."""
    return ACTIVATIONS[activation](x)


def xielu(x: Tensor, positive: Tensor, negative: Tensor, beta: Tensor, eps: Tensor) -> Tensor:
    """Quadratic above zero, an integrated ELU below (Huang and Schlag 2024, arXiv 2411.13010)."""
    below = (torch.expm1(x.clamp(max=eps)) - x) * negative
    return torch.where(x > 0, positive * x.square(), below) + beta * x


def scale(x: Tensor, factor: float) -> Tensor:
    """``x * factor``."""
    return x * factor


def clamp(x: Tensor, limit: float) -> Tensor:
    """``x`` between ``-limit`` and ``limit``."""
    return x.clamp(-limit, limit)


def gated(gate: Tensor, up: Tensor, activation: str) -> Tensor:
    """``activation(gate) * up``, or a product of its own."""
    if activation == "clamped_swiglu":
        return _clamped_swiglu(gate, up)
    return ACTIVATIONS[activation](gate) * up


def _clamped_swiglu(gate: Tensor, up: Tensor, limit: float = 7.0, slope: float = 1.702) -> Tensor:
    """GPT-OSS's: both sides are clamped, and the linear one starts from one (model card, arXiv 2508.10925)."""
    gate = gate.clamp(max=limit)
    return (up.clamp(-limit, limit) + 1) * gate * torch.sigmoid(slope * gate)


def split(x: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Pieces of the width."""
    return tuple(part.contiguous() for part in x.split(sizes, dim=-1))


def split_groups(x: Tensor, sizes: tuple[int, ...], groups: int) -> tuple[Tensor, ...]:
    """Pieces of every group of the width, like to like."""
    parts = x.view(x.shape[0], groups, -1).split(sizes, dim=-1)
    return tuple(part.flatten(1).contiguous() for part in parts)


def rows(x: Tensor, index: Tensor) -> Tensor:
    """Some of the rows."""
    return x.index_select(0, index)


def softcap(x: Tensor, cap: float) -> Tensor:
    """``cap * tanh(x / cap)``."""
    return torch.tanh(x / cap) * cap
