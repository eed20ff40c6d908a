"""DeepSeek V2 = latent attention, and experts with shared ones beside them."""

from mistralrs.modelkit import DecoderRecipe, latent_attention, moe_block

build = DecoderRecipe(attention=latent_attention, mlp=moe_block)
