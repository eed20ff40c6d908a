"""GLM-4 MoE Lite = DeepSeek V3 with other defaults."""

from functools import partial

from mistralrs.modelkit import CORRECTION, DecoderRecipe, latent_attention, moe_block

build = DecoderRecipe(attention=latent_attention, mlp=partial(moe_block, correction=CORRECTION))
