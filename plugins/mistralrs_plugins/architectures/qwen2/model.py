"""Qwen2 = Llama with biases on queries, keys and values, and windows on some layers if the config asks for them."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa

build = DecoderRecipe(attention=partial(gqa, bias=True))
