"""Granite 4: Mamba-2 in most layers, attention in some; a block for every token, experts beside it."""

from functools import partial

from torch import nn

from mistralrs.layers import Rope
from mistralrs.modelkit import (
    DecoderRecipe,
    Names,
    by_layer,
    gated_mlp,
    mamba2,
    moe_block,
    no_rope,
    packed_experts,
    rope_per_layer,
    scaled,
)
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.granitemoehybrid.config import GraniteHybridConfig


def shared(cfg: GraniteHybridConfig, wb: WeightBuilder) -> nn.Module:
    """The block that all tokens share; GGUF cuts its gate and up apart, and calls it plain when it is alone."""
    layer = wb.up()
    if layer.has("mlp.gate_proj.weight"):
        return gated_mlp(cfg, layer.pp("mlp"), inner=cfg.shared_width)
    at = layer.pp("shared_mlp")
    packed = None if at.has("gate_proj.weight") else "input_linear"
    return gated_mlp(cfg, at, packed=packed, names=("gate_proj", "up_proj", "output_linear"), inner=cfg.shared_width)


def rope(cfg: GraniteHybridConfig, wb: WeightBuilder) -> list[Rope | None]:
    """Rotation only where the config asks for it."""
    return [*rope_per_layer(cfg, wb)] if cfg.position_embedding_type == "rope" else no_rope(cfg, wb)


mlp = partial(
    moe_block,
    gate="router.layer",
    experts=partial(packed_experts, names=("input_linear.weight", "output_linear.weight")),
    shared=shared,
    dense=shared,
)
build = DecoderRecipe(
    attention=scaled(by_layer("mamba", mamba2), lambda cfg: float(cfg.residual_multiplier)),
    mlp=scaled(mlp, lambda cfg: float(cfg.residual_multiplier)),
    embed_scale=lambda cfg: float(cfg.embedding_multiplier),
    logit_scale=lambda cfg: 1 / float(cfg.logits_scaling),
    rope=rope,
    names=Names(attention="", mlp="block_sparse_moe"),
)
