"""Mistral = Llama whose layers see a window, if the config names one."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, windowed

build = DecoderRecipe(attention=partial(gqa, spec=windowed))
