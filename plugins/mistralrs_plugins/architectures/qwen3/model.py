"""Qwen3 = Llama with an RMS norm on every query and key head."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, rms

build = DecoderRecipe(attention=partial(gqa, head_norm=rms))
