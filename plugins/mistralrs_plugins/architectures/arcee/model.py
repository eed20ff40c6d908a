"""Arcee = Llama with squared ReLU instead of a gate."""

from mistralrs.modelkit import DecoderRecipe, plain_mlp

build = DecoderRecipe(mlp=plain_mlp)
