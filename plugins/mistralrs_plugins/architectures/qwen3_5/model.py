"""Qwen 3.5 = Qwen 3 with gated attention on every fourth layer and a gated delta net on the others."""

from mistralrs.modelkit import DecoderRecipe, Names, by_layer, delta_net, gated_gqa

build = DecoderRecipe(
    attention=by_layer("linear_attn", delta_net, gated_gqa),
    names=Names(attention=""),
)
