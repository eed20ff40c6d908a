"""Mamba-2: scans all the way, one to a layer."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, mamba2, no_rope, nothing, one_block

build = DecoderRecipe(
    attention=mamba2,
    mlp=nothing,
    layer=partial(one_block, name="norm"),
    rope=no_rope,
    names=Names(body="backbone", embed="embeddings", norm="norm_f", attention="mixer"),
)
