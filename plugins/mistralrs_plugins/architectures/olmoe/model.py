"""OLMoE = Llama with experts, and one norm over all query heads and one over all key heads."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, across_heads, gqa, moe_block, rms

build = DecoderRecipe(attention=partial(gqa, qk_norm=across_heads(rms)), mlp=moe_block)
