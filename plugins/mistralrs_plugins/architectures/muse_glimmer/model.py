"""Muse Glimmer (text) = Gemma 2 with gated attention, normed embeddings, and no rotation where it sees everything."""

from functools import partial
from typing import Any

from torch import nn

from mistralrs.layers import Chain, Embedding
from mistralrs.modelkit import (
    DecoderRecipe,
    rms,
    rms_without_weight,
    rope_where,
    sandwich_norm,
    side_gated_gqa,
)
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.muse_glimmer.config import MuseGlimmerConfig


def norm(cfg: MuseGlimmerConfig, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """Norms of layers are stored minus one, and those behind a block are more exact."""
    if name == "norm":
        return wb.rms_norm(name, width, cfg.rms_norm_eps)
    return wb.rms_norm(
        name, width, cfg.post_norm_eps if name.startswith("post") else cfg.rms_norm_eps, offset=cfg.norm_offset
    )


def head_norm(cfg: MuseGlimmerConfig, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """Without a weight, except in GGUF files."""
    return (rms if wb.has(f"{name}.weight") else rms_without_weight)(cfg, wb, name, width)


def normed(cfg: Any, wb: WeightBuilder, embed: Embedding) -> nn.Module:
    """Embeddings at the length of one number each."""
    return Chain(embed, rms_without_weight(cfg, wb, "", cfg.hidden_size))


build = DecoderRecipe(
    attention=partial(side_gated_gqa, head_norm=head_norm),
    norm=norm,
    layer=sandwich_norm,
    entry=normed,
    rope=rope_where(MuseGlimmerConfig.rotates),
    logit_scale=lambda cfg: float(cfg.output_multiplier),
)
