"""DeepSeek V3 = DeepSeek V2 with a router that is corrected by a bias."""

from functools import partial

from mistralrs.modelkit import CORRECTION, DecoderRecipe, latent_attention, moe_block

build = DecoderRecipe(attention=latent_attention, mlp=partial(moe_block, correction=CORRECTION))
