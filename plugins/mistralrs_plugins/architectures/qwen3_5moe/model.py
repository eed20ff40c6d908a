"""Qwen 3.5 MoE = Qwen 3.5 with experts, and a shared one that a switch turns up or down."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, by_layer, delta_net, gated_gqa, moe_block, switched_shared_mlp

build = DecoderRecipe(
    attention=by_layer("linear_attn", delta_net, gated_gqa),
    mlp=partial(moe_block, shared=switched_shared_mlp("shared_expert", "shared_expert_gate")),
    names=Names(attention=""),
)
