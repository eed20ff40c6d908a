"""Mamba: selective scans all the way, one to a layer; Falcon Mamba norms what steers them."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, mamba1, mixer_norm, no_rope, nothing, one_block

build = DecoderRecipe(
    attention=partial(mamba1, norm=mixer_norm),
    mlp=nothing,
    layer=partial(one_block, name="norm"),
    rope=no_rope,
    names=Names(body="backbone", embed="embeddings", norm="norm_f", attention="mixer"),
)
