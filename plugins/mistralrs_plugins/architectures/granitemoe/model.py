"""Granite MoE = Granite with experts, and in some models a block beside them that sees every token."""

from functools import partial
from typing import Any

from torch import nn

from mistralrs.modelkit import DecoderRecipe, Names, gated_mlp, gqa, moe_block, packed_experts, scaled
from mistralrs.weights import WeightBuilder


def shared(cfg: Any, wb: WeightBuilder) -> nn.Module | None:
    """The block that all tokens share; GGUF cuts its gate and up apart."""
    if not cfg.shared_width:
        return None
    at = wb.up().pp("shared_mlp")
    packed = None if at.has("gate_proj.weight") else "input_linear"
    return gated_mlp(cfg, at, packed=packed, names=("gate_proj", "up_proj", "output_linear"), inner=cfg.shared_width)


mlp = partial(
    moe_block,
    gate="router.layer",
    experts=partial(packed_experts, names=("input_linear.weight", "output_linear.weight")),
    shared=shared,
)
build = DecoderRecipe(
    attention=scaled(gqa, lambda cfg: cfg.residual_multiplier),
    mlp=scaled(mlp, lambda cfg: cfg.residual_multiplier),
    embed_scale=lambda cfg: float(cfg.embedding_multiplier),
    logit_scale=lambda cfg: 1 / cfg.logits_scaling,
    names=Names(mlp="block_sparse_moe"),
)
