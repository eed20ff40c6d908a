"""Gemma 2 = Gemma with norms on both sides of every block, a window on every second layer, and soft caps."""

from mistralrs.modelkit import DecoderRecipe, root_of_width, sandwich_norm

build = DecoderRecipe(layer=sandwich_norm, embed_scale=root_of_width)
