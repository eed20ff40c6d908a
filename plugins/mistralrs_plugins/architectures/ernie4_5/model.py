"""ERNIE 4.5, dense = Llama whose heads rotate neighbours together."""

from mistralrs.modelkit import DecoderRecipe

build = DecoderRecipe()
