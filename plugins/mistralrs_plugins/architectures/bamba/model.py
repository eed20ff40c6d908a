"""Bamba: Mamba-2 in most layers, attention in some."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, by_layer, mamba2, pre_norm

build = DecoderRecipe(
    attention=by_layer("mamba", mamba2),
    layer=partial(pre_norm, names=("input_layernorm", "pre_ff_layernorm")),
    names=Names(attention="", mlp="feed_forward", norm="final_layernorm"),
)
