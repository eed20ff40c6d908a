"""Gemma = Llama with scaled embeddings, GELU, and norms that store their distance from one."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gated_mlp, root_of_width

# Early configs say "gelu", but the models use its tanh form.
build = DecoderRecipe(mlp=partial(gated_mlp, activation="gelu_pytorch_tanh"), embed_scale=root_of_width)
