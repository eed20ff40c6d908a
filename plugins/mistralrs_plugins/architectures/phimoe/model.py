"""Phi 3.5 MoE = Mixtral with layer norms, biases and a router of its own."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, gated_experts, gqa, layer_norm, moe_block, output_head, windowed

build = DecoderRecipe(
    attention=partial(gqa, spec=windowed),
    mlp=partial(moe_block, experts=partial(gated_experts, names=("w1", "w3", "w2"))),
    norm=layer_norm,
    head=lambda cfg, wb, embed: output_head(cfg, wb, embed, bias=cfg.lm_head_bias),
    names=Names(mlp="block_sparse_moe"),
)
