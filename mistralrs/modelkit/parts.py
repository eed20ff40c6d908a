"""The parts a decoder is put together from. Each is a function: a variant passes another one instead of a flag."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from mistralrs.layers import GatedMlp, PackedGatedMlp
from mistralrs.modelkit.attention import Attention, QkvPacked, QkvParts
from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.decoder import PreNormLayer, SandwichLayer
from mistralrs.ops import AttentionSpec, PagedSpec

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

NormPart = Callable[..., nn.Module]
SpecPart = Callable[[Any, int], AttentionSpec]
Named = Callable[[str], nn.Module]


def windowed(cfg: CausalConfig, index: int) -> AttentionSpec:
    """Every layer sees the last ``sliding_window`` tokens, or the whole past if the config names no window."""
    return _spec(cfg, cfg.sliding_window)


def by_layer_type(cfg: CausalConfig, index: int) -> AttentionSpec:
    """A window on the layers that the config calls ``sliding_attention``, the whole past on the others."""
    return _spec(cfg, cfg.sliding_window if cfg.slides(index) else None)


def _spec(cfg: CausalConfig, window: int | None) -> AttentionSpec:
    return AttentionSpec(
        heads=cfg.num_attention_heads,
        kv_heads=cfg.num_key_value_heads,
        head_dim=cfg.head_dim,
        scale=float(cfg.query_pre_attn_scalar or cfg.head_dim) ** -0.5,
        window=window,
        softcap=cfg.attn_logit_softcapping,
    )


def rms(cfg: CausalConfig, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """RMS norm of ``width``."""
    return wb.rms_norm(name, width, cfg.rms_norm_eps, offset=cfg.norm_offset)


def gqa(
    cfg: CausalConfig,
    wb: WeightBuilder,
    index: int,
    rope: nn.Module | None,
    *,
    bias: bool | None = None,
    packed: str | None = None,
    head_norm: NormPart | None = None,
    spec: SpecPart = by_layer_type,
) -> Attention:
    """Grouped-query attention under the names Hugging Face gives it.

    ``bias`` of query, key and value (None: as ``attention_bias`` says, then the output has one too); ``packed`` names
    one matrix that holds all three; ``head_norm`` norms every query and key head.
    """
    dims = spec(cfg, index)
    q_size, kv_size = dims.heads * dims.head_dim, dims.kv_heads * dims.head_dim
    in_bias = cfg.attention_bias if bias is None else bias
    qkv: nn.Module
    if packed:
        sizes = (q_size, kv_size, kv_size)
        qkv = QkvPacked(wb.linear(packed, cfg.hidden_size, sum(sizes), bias=in_bias), sizes)
    else:
        qkv = QkvParts(
            wb.linear("q_proj", cfg.hidden_size, q_size, bias=in_bias),
            wb.linear("k_proj", cfg.hidden_size, kv_size, bias=in_bias),
            wb.linear("v_proj", cfg.hidden_size, kv_size, bias=in_bias),
        )
    out = wb.linear("o_proj", q_size, cfg.hidden_size, bias=cfg.attention_bias if bias is None else False)
    norms = {}
    if head_norm is not None:
        norms = {name: head_norm(cfg, wb, name, dims.head_dim) for name in ("q_norm", "k_norm")}
    cache = wb.cache(PagedSpec(kv_heads=dims.kv_heads, head_dim=dims.head_dim))
    return Attention(cache, dims, qkv, out, rope, **norms)


def gated_mlp(
    cfg: CausalConfig, wb: WeightBuilder, *, packed: str | None = None, activation: str | None = None
) -> nn.Module:
    """The gated feed-forward block.

    ``packed`` names one matrix that holds gate and up; ``activation`` overrules a config that misstates it.
    """
    width, inner, bias = cfg.hidden_size, cfg.intermediate_size, cfg.mlp_bias
    act = activation or cfg.hidden_act
    down = wb.linear("down_proj", inner, width, bias=bias)
    if packed:
        return PackedGatedMlp(wb.linear(packed, width, 2 * inner, bias=bias), down, inner, act)
    gate, up = (wb.linear(name, width, inner, bias=bias) for name in ("gate_proj", "up_proj"))
    return GatedMlp(gate, up, down, act)


def pre_norm(norm: Named, attn: nn.Module, mlp: nn.Module) -> nn.Module:
    """The usual layer: a norm before attention and before the feed-forward block."""
    return PreNormLayer(norm("input_layernorm"), attn, norm("post_attention_layernorm"), mlp)


def sandwich_norm(norm: Named, attn: nn.Module, mlp: nn.Module) -> nn.Module:
    """A layer with a norm before and after attention, and before and after the feed-forward block."""
    around_attn = norm("input_layernorm"), norm("post_attention_layernorm")
    around_mlp = norm("pre_feedforward_layernorm"), norm("post_feedforward_layernorm")
    return SandwichLayer(around_attn, attn, around_mlp, mlp)


def one(cfg: CausalConfig) -> float:
    """Embeddings as they are stored."""
    return 1.0


def root_of_width(cfg: CausalConfig) -> float:
    """Embeddings times the square root of their width."""
    return math.sqrt(cfg.hidden_size)
