"""SmolLM3 = Llama in which every fourth layer knows nothing of positions."""

from mistralrs.modelkit import DecoderRecipe, rope_where

build = DecoderRecipe(rope=rope_where(lambda cfg, layer: cfg.rotates(layer)))
