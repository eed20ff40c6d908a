"""Phi 3 = Llama with packed projections, and windows if the config asks for them."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gated_mlp, gqa, windowed

build = DecoderRecipe(
    attention=partial(gqa, packed="qkv_proj", bias=False, spec=windowed),
    mlp=partial(gated_mlp, packed="gate_up_proj"),
)
