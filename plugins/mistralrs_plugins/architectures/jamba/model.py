"""Jamba: Mamba in most layers, attention without rotation in some, experts in every second."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, by_layer, gqa, mamba1, moe_block, no_rope, pre_norm, rms

build = DecoderRecipe(
    attention=by_layer("mamba", partial(mamba1, norm=rms), partial(gqa, bias=False)),
    mlp=partial(moe_block, gate="router"),
    layer=partial(pre_norm, names=("input_layernorm", "pre_ff_layernorm")),
    rope=no_rope,
    names=Names(attention="", mlp="feed_forward", norm="final_layernorm"),
)
