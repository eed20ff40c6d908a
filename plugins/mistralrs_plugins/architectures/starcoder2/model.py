"""StarCoder 2 = layer norms, a block without a gate, biases, and windows if the config names one."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, layer_norm, plain_mlp, windowed

build = DecoderRecipe(
    attention=partial(gqa, spec=windowed),
    mlp=partial(plain_mlp, up="c_fc", down="c_proj"),
    norm=layer_norm,
)
