"""Nemotron = layer norms that store their distance from one, squared ReLU without a gate, half of each head rotated."""

from mistralrs.modelkit import DecoderRecipe, layer_norm, plain_mlp

build = DecoderRecipe(mlp=plain_mlp, norm=layer_norm)
