"""Hunyuan MoE = Hunyuan with experts, and a block beside them that sees every token."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, RotateThenNorm, gqa, moe_block, per_head, rms, shared_mlp

norms = per_head(rms, "query_layernorm", "key_layernorm")
build = DecoderRecipe(
    attention=partial(gqa, qk_norm=norms, block=RotateThenNorm),
    mlp=partial(moe_block, gate="gate.wg", shared=shared_mlp("shared_mlp")),
)
