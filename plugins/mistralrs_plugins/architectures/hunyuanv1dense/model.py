"""Hunyuan, dense = Llama with an RMS norm on every query and key head after they are rotated."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, RotateThenNorm, gqa, per_head, rms

norms = per_head(rms, "query_layernorm", "key_layernorm")
build = DecoderRecipe(attention=partial(gqa, qk_norm=norms, block=RotateThenNorm))
