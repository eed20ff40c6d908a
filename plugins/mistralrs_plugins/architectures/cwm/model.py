"""CWM = Llama with windows on three of four layers."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa

build = DecoderRecipe(attention=partial(gqa, bias=False))
