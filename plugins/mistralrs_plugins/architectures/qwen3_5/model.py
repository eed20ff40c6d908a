"""Qwen 3.5 = Qwen 3 with gated attention on every fourth layer and a gated delta net on the others."""

from functools import partial

from mistralrs.modelkit import (
    DecoderRecipe,
    GatedAttention,
    Names,
    by_layer,
    delta_net,
    gqa,
    queries_with_gates,
    rms,
    separate_inputs,
)

attention = partial(gqa, qkv=queries_with_gates, head_norm=rms, block=GatedAttention)
linear = partial(delta_net, project=separate_inputs)
build = DecoderRecipe(
    attention=by_layer({"full_attention": ("self_attn", attention), "linear_attention": ("linear_attn", linear)}),
    names=Names(attention=""),
)
