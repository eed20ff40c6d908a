"""EXAONE 4 = norms after each block and on every head, windows on three of four layers, and positions only there."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, post_norm, rms, rope_where

build = DecoderRecipe(
    attention=partial(gqa, head_norm=rms),
    layer=post_norm,
    rope=rope_where(lambda cfg, layer: cfg.sliding_window is None or cfg.slides(layer)),
)
