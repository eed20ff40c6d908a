"""Norms as parts: called with the config, the builder, the name of the module and its width."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mistralrs.layers import Chain, LayerNorm, RmsNorm
from mistralrs.modelkit.config import CausalConfig
from mistralrs.ops import AttentionSpec

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

NormPart = Callable[..., nn.Module]
QkNormPart = Callable[[Any, Any, AttentionSpec], tuple[nn.Module | None, nn.Module | None]]
"""``(cfg, wb, dims)`` to the norm of queries and that of keys, or to None and None."""


def rms(cfg: CausalConfig, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """RMS norm of ``width``."""
    return wb.rms_norm(name, width, cfg.rms_norm_eps, offset=cfg.norm_offset)


def rms_without_weight(cfg: CausalConfig, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """RMS norm that only scales to length; the checkpoint has no tensor for it."""
    return RmsNorm(torch.ones(width, dtype=wb.dtype, device=wb.device), cfg.rms_norm_eps)


def layer_norm(cfg: CausalConfig, wb: WeightBuilder, name: str, width: int, *, bias: bool = True) -> nn.Module:
    """Layer norm of ``width``."""
    return wb.layer_norm(name, width, cfg.rms_norm_eps, bias=bias, offset=cfg.norm_offset)


layer_norm_without_bias = partial(layer_norm, bias=False)


def layer_norm_without_weight(cfg: CausalConfig, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """Layer norm that only centres and scales; the checkpoint has no tensor for it."""
    return LayerNorm(None, None, cfg.rms_norm_eps, width)


def layer_norm_of_each_head(cfg: CausalConfig, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """Layer norm with a weight for each head: in one tensor, or in a tensor each below ``norms``."""
    at, heads = wb.pp(name), cfg.num_attention_heads if name.startswith("q") else cfg.num_key_value_heads
    if at.has("norms.0.weight"):
        weight = torch.cat([at.tensor(f"norms.{head}.weight", (width,), role="norm") for head in range(heads)])
    else:
        weight = at.tensor("weight", (heads, width), role="norm").flatten()
    return LayerNorm(weight, None, cfg.rms_norm_eps, width)


def per_head(norm: NormPart, q: str = "q_norm", k: str = "k_norm") -> QkNormPart:
    """One norm for every query head, one for every key head."""

    def part(cfg: Any, wb: Any, dims: AttentionSpec) -> tuple[nn.Module | None, nn.Module | None]:
        return norm(cfg, wb, q, dims.head_dim), norm(cfg, wb, k, dims.head_dim)

    return part


def across_heads(norm: NormPart, q: str = "q_norm", k: str = "k_norm") -> QkNormPart:
    """One norm over all query heads together, one over all key heads."""

    def part(cfg: Any, wb: Any, dims: AttentionSpec) -> tuple[nn.Module | None, nn.Module | None]:
        return norm(cfg, wb, q, dims.heads * dims.head_dim), norm(cfg, wb, k, dims.kv_heads * dims.head_dim)

    return part


def when(flag: str, norms: QkNormPart) -> QkNormPart:
    """The norms of models whose config sets ``flag``, none for the others."""

    def part(cfg: Any, wb: Any, dims: AttentionSpec) -> tuple[nn.Module | None, nn.Module | None]:
        return norms(cfg, wb, dims) if getattr(cfg, flag) else (None, None)

    return part


def unless_first(norm: NormPart, name: str) -> NormPart:
    """``norm``, except that the one called ``name`` in the first layer leaves its input as it is."""

    def part(cfg: Any, wb: WeightBuilder, called: str, width: int) -> nn.Module:
        return Chain() if wb.layer == 0 and called == name else norm(cfg, wb, called, width)

    return part
