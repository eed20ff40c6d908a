"""dots.llm1 = Qwen3 with experts whose router is corrected by a bias."""

from functools import partial

from mistralrs.modelkit import CORRECTION, DecoderRecipe, gqa, moe_block, rms

build = DecoderRecipe(attention=partial(gqa, head_norm=rms), mlp=partial(moe_block, correction=CORRECTION))
