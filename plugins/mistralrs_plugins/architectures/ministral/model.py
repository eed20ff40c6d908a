"""Ministral = Mistral whose config lists the layers that have a window."""

from mistralrs.modelkit import DecoderRecipe

build = DecoderRecipe()
