"""Jais 2 = Llama with layer norms, squared ReLU instead of a gate, and biases."""

from mistralrs.modelkit import DecoderRecipe, layer_norm, plain_mlp

build = DecoderRecipe(mlp=plain_mlp, norm=layer_norm)
