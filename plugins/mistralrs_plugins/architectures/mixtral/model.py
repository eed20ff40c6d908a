"""Mixtral = Mistral with experts."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, gated_experts, gqa, moe_block, windowed

build = DecoderRecipe(
    attention=partial(gqa, spec=windowed),
    mlp=partial(moe_block, experts=partial(gated_experts, names=("w1", "w3", "w2"))),
    names=Names(mlp="block_sparse_moe"),
)
