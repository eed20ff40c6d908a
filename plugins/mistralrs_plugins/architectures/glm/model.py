"""GLM = Llama with half of each head rotated, neighbours together, biases on the inputs, and packed gates."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gated_mlp, gqa

build = DecoderRecipe(attention=partial(gqa, out_bias=False), mlp=partial(gated_mlp, packed="gate_up_proj"))
