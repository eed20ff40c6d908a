"""GLM-4 = GLM with norms on both sides of every block."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gated_mlp, gqa, sandwich_norm

NORMS = ("input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm")

build = DecoderRecipe(
    attention=partial(gqa, out_bias=False),
    mlp=partial(gated_mlp, packed="gate_up_proj"),
    layer=partial(sandwich_norm, names=NORMS),
)
