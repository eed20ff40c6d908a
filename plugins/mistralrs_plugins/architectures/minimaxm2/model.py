"""MiniMax M2 = experts with a sigmoid router, and one norm over all query heads and one over all key heads."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, Names, across_heads, gated_experts, gqa, moe_block, rms

build = DecoderRecipe(
    attention=partial(gqa, bias=False, qk_norm=across_heads(rms)),
    mlp=partial(
        moe_block, correction="e_score_correction_bias", experts=partial(gated_experts, names=("w1", "w3", "w2"))
    ),
    names=Names(mlp="block_sparse_moe"),
)
