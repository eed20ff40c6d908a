"""Cohere 2 = Command R with windows on three of four layers, and positions only there."""

from mistralrs.modelkit import DecoderRecipe, layer_norm_without_bias, parallel, rope_where

build = DecoderRecipe(
    norm=layer_norm_without_bias,
    layer=parallel,
    rope=rope_where(lambda cfg, layer: cfg.slides(layer)),
    logit_scale=lambda cfg: float(cfg.logit_scale),
)
