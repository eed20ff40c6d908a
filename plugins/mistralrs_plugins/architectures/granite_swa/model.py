"""Granite with windows = Granite with attention sinks, and a rotary base of each layer's own."""

from mistralrs.modelkit import (
    DecoderRecipe,
    embedding_scale,
    gated_mlp,
    logits_divisor,
    rope_by_theta,
    scaled,
    sink_gqa,
)

build = DecoderRecipe(
    attention=scaled(sink_gqa),
    mlp=scaled(gated_mlp),
    embed_scale=embedding_scale,
    logit_scale=logits_divisor,
    rope=rope_by_theta,
)
