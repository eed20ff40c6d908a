"""Phi 2 = attention and a plain block side by side after one layer norm, and biases everywhere."""

from functools import partial

from mistralrs import modelkit as kit

norms = kit.when("qk_layernorm", kit.per_head(kit.layer_norm, "q_layernorm", "k_layernorm"))

build = kit.DecoderRecipe(
    attention=partial(kit.gqa, bias=True, out="dense", out_bias=True, qk_norm=norms),
    mlp=partial(kit.plain_mlp, up="fc1", down="fc2", bias=True),
    norm=kit.layer_norm,
    layer=kit.parallel,
    head=partial(kit.output_head, bias=True),
    names=kit.Names(norm="final_layernorm"),
)
