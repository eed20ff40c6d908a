"""Qwen2 MoE = Qwen2 with experts, and a shared one that a switch turns up or down."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, moe_block, switched_shared_mlp

build = DecoderRecipe(
    attention=partial(gqa, bias=True),
    mlp=partial(moe_block, shared=switched_shared_mlp("shared_expert", "shared_expert_gate")),
)
