"""The parts a decoder is put together from. Each is a function: a variant passes another one instead of a flag."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from mistralrs.layers import GatedMlp, PackedGatedMlp, Rope, RopeScaling
from mistralrs.modelkit.attention import Attention, QkvPacked, QkvParts
from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.decoder import PreNormLayer
from mistralrs.ops import AttentionSpec, PagedSpec

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

NormPart = Callable[..., nn.Module]
SpecPart = Callable[[Any, int], AttentionSpec]


def full(cfg: CausalConfig, index: int) -> AttentionSpec:
    """Every layer sees the whole past."""
    return AttentionSpec(
        heads=cfg.num_attention_heads,
        kv_heads=cfg.num_key_value_heads,
        head_dim=cfg.head_dim,
        scale=cfg.head_dim**-0.5,
    )


def by_layer_type(cfg: CausalConfig, index: int) -> AttentionSpec:
    """A window on the layers that ``layer_types`` calls ``sliding_attention``, the whole past on the others."""
    sliding = cfg.layer_types is not None and cfg.layer_types[index] == "sliding_attention"
    return AttentionSpec(
        heads=cfg.num_attention_heads,
        kv_heads=cfg.num_key_value_heads,
        head_dim=cfg.head_dim,
        scale=cfg.head_dim**-0.5,
        window=cfg.sliding_window if sliding else None,
    )


def rms(wb: WeightBuilder, name: str, width: int, eps: float, *, offset: float = 0.0) -> nn.Module:
    """RMS norm; ``offset`` is added to its weight."""
    return wb.rms_norm(name, width, eps, offset=offset)


def rope_from(cfg: CausalConfig, wb: WeightBuilder) -> Rope:
    """The rotary embedding a config describes, with the frequency divisors a checkpoint may carry."""
    table = cfg.rope_parameters
    rotary = int(cfg.head_dim * table.partial_rotary_factor)
    scaling = None
    if table.rope_type != "default":
        scaling = RopeScaling(
            kind=table.rope_type,
            factor=table.factor,
            original_context=table.original_max_position_embeddings or cfg.max_position_embeddings,
            low_freq_factor=table.low_freq_factor,
            high_freq_factor=table.high_freq_factor,
            beta_fast=table.beta_fast,
            beta_slow=table.beta_slow,
            attention_factor=table.attention_factor,
            mscale=table.mscale,
            mscale_all_dim=table.mscale_all_dim,
            truncate=table.truncate,
        )
    divisors = wb.tensor("rope_freqs.weight", (rotary // 2,)) if wb.has("rope_freqs.weight") else None
    return Rope(
        cfg.head_dim,
        table.rope_theta,
        rotary_dim=rotary,
        scaling=scaling,
        divisors=divisors,
        style=cfg.rope_style,
        device=wb.device,
    )


def gqa(
    cfg: CausalConfig,
    wb: WeightBuilder,
    index: int,
    rope: nn.Module | None,
    *,
    bias: bool | None = None,
    packed: str | None = None,
    head_norm: NormPart | None = None,
    spec: SpecPart = full,
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
        norms = {name: head_norm(wb, name, dims.head_dim, cfg.rms_norm_eps) for name in ("q_norm", "k_norm")}
    cache = wb.cache(PagedSpec(kv_heads=dims.kv_heads, head_dim=dims.head_dim))
    return Attention(cache, dims, qkv, out, rope, **norms)


def gated_mlp(cfg: CausalConfig, wb: WeightBuilder, *, packed: str | None = None) -> nn.Module:
    """The gated feed-forward block; ``packed`` names one matrix that holds gate and up."""
    width, inner, bias = cfg.hidden_size, cfg.intermediate_size, cfg.mlp_bias
    down = wb.linear("down_proj", inner, width, bias=bias)
    if packed:
        return PackedGatedMlp(wb.linear(packed, width, 2 * inner, bias=bias), down, cfg.hidden_act)  # type: ignore[arg-type]
    gate, up = (wb.linear(name, width, inner, bias=bias) for name in ("gate_proj", "up_proj"))
    return GatedMlp(gate, up, down, cfg.hidden_act)


def pre_norm(norm: Callable[[str], nn.Module], attn: nn.Module, mlp: nn.Module) -> nn.Module:
    """The usual layer: a norm before attention and before the feed-forward block."""
    return PreNormLayer(norm("input_layernorm"), attn, norm("post_attention_layernorm"), mlp)
