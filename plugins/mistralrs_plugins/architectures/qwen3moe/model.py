"""Qwen3 MoE = Qwen3 with experts."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, moe_block, rms

build = DecoderRecipe(attention=partial(gqa, head_norm=rms), mlp=moe_block)
