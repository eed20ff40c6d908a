"""Llama 4 = experts in some layers, attention in stretches of the text, and layers between that see all of it."""

from functools import partial
from typing import Any

from torch import nn

from mistralrs.layers import ExpertLinear, PackedGatedExperts
from mistralrs.modelkit import (
    DecoderRecipe,
    Names,
    RotateThenNorm,
    TemperedAttention,
    by_layer_type,
    chunked,
    gated_experts,
    gqa,
    has_stacks,
    moe_block,
    per_head,
    rms_without_weight,
    rope_where,
    shared_mlp,
    stacked_transposed,
)
from mistralrs.weights import WeightBuilder

in_stretches = chunked(by_layer_type, lambda cfg, index: cfg.attention_chunk_size)


def attention(cfg: Any, wb: WeightBuilder, index: int, rope: nn.Module | None) -> nn.Module:
    """Attention of a layer with a rotary embedding, or of one without."""
    if rope is not None:
        norms = per_head(rms_without_weight) if cfg.use_qk_norm else None
        return gqa(cfg, wb, index, rope, spec=in_stretches, qk_norm=norms, block=RotateThenNorm)
    if not cfg.attn_temperature_tuning:
        return gqa(cfg, wb, index, None)
    block = partial(TemperedAttention, stretch=cfg.floor_scale, factor=cfg.attn_scale, first=1)
    return gqa(cfg, wb, index, None, block=block)


def experts(cfg: Any, wb: WeightBuilder) -> nn.Module:
    """Experts stored the other way round, gate and up in one; GGUF has them the usual way and apart."""
    if has_stacks(wb):
        return gated_experts(cfg, wb)
    at, count, width, inner = wb.pp("experts"), cfg.num_experts, cfg.hidden_size, cfg.moe_intermediate_size
    (gate_up,) = stacked_transposed(at, "gate_up_proj", count, width, (2 * inner,))
    (down,) = stacked_transposed(at, "down_proj", count, inner, (width,))
    return PackedGatedExperts(ExpertLinear(gate_up), ExpertLinear(down), inner, cfg.hidden_act)


build = DecoderRecipe(
    attention=attention,
    mlp=partial(moe_block, gate="router", experts=experts, shared=shared_mlp("shared_expert"), weigh_input=True),
    rope=rope_where(lambda cfg, layer: cfg.turns(layer)),
    names=Names(mlp="feed_forward"),
)
