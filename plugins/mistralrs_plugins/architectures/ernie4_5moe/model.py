"""ERNIE 4.5 MoE = ERNIE 4.5 with experts, shared ones beside them, and a bias that corrects the router."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, moe_block

build = DecoderRecipe(mlp=partial(moe_block, correction="moe_statics.e_score_correction_bias"))
