"""Gemma 2 = Gemma with norms on both sides of every block, a window on every second layer, and soft caps."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, by_layer_type, gqa, root_of_width, sandwich_norm

build = DecoderRecipe(attention=partial(gqa, spec=by_layer_type), layer=sandwich_norm, embed_scale=root_of_width)
