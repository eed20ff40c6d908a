"""Helium = Llama whose heads rotate neighbours together, and whose attention adds no bias to its output."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa

build = DecoderRecipe(attention=partial(gqa, out_bias=False))
