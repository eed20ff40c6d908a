"""Phi 3.5 MoE = Mixtral with layer norms, biases and a router of its own."""

from functools import partial
from typing import Any

from mistralrs.modelkit import DecoderRecipe, Names, gated_experts, gqa, layer_norm, moe_block, output_head, windowed
from mistralrs.weights import WeightBuilder


def head(cfg: Any, wb: WeightBuilder, embed: Any) -> Any:
    """The output projection, with a bias if the config says so."""
    return output_head(cfg, wb, embed, bias=cfg.lm_head_bias)


build = DecoderRecipe(
    attention=partial(gqa, spec=windowed),
    mlp=partial(moe_block, experts=partial(gated_experts, names=("w1", "w3", "w2"))),
    norm=layer_norm,
    head=head,
    names=Names(mlp="block_sparse_moe"),
)
