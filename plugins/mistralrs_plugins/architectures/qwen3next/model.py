"""Qwen 3 Next = Qwen 3.5 MoE with the inputs of the delta net packed by head."""

from functools import partial

from mistralrs.modelkit import (
    DecoderRecipe,
    Names,
    by_layer,
    delta_net,
    gated_gqa,
    grouped_inputs,
    moe_block,
    switched_shared_mlp,
)

build = DecoderRecipe(
    attention=by_layer("linear_attn", partial(delta_net, project=grouped_inputs), gated_gqa),
    mlp=partial(moe_block, shared=switched_shared_mlp("shared_expert", "shared_expert_gate")),
    names=Names(attention=""),
)
