"""Apertus = Llama with normed heads, and a block without a gate whose activation is learned."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, plain_mlp, pre_norm, rms, xielu

build = DecoderRecipe(
    attention=partial(gqa, head_norm=rms),
    mlp=partial(plain_mlp, activation=xielu),
    layer=partial(pre_norm, names=("attention_layernorm", "feedforward_layernorm")),
)
