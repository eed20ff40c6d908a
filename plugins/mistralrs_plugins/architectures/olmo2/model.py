"""OLMo 2 = Llama with norms after each block instead of before it, and over all queries and all keys."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, across_heads, gqa, post_norm, rms

build = DecoderRecipe(attention=partial(gqa, qk_norm=across_heads(rms)), layer=post_norm)
