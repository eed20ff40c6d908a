"""LFM2 MoE = LFM2 with experts in all but the first layers."""

from functools import partial

from torch import nn

from mistralrs.modelkit import (
    DecoderRecipe,
    Names,
    by_layer,
    gated_conv,
    gated_experts,
    gated_mlp,
    gqa,
    moe_block,
    per_head,
    pre_norm,
    rms,
)
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.lfm2_moe.config import Lfm2MoeConfig

GATED = ("w1", "w3", "w2")


def mlp(cfg: Lfm2MoeConfig, wb: WeightBuilder) -> nn.Module:
    """A dense block, or experts with a bias for the choice of them."""
    correction = "expert_bias" if cfg.use_expert_bias else None
    experts, dense = partial(gated_experts, names=GATED), partial(gated_mlp, names=GATED)
    return moe_block(cfg, wb, correction=correction, experts=experts, dense=dense)


attention = partial(gqa, bias=False, qk_norm=per_head(rms, "q_layernorm", "k_layernorm"), out="out_proj")
build = DecoderRecipe(
    attention=by_layer("conv", gated_conv, attention),
    mlp=mlp,
    layer=partial(pre_norm, names=("operator_norm", "ffn_norm")),
    names=Names(attention="", mlp="feed_forward", norm="embedding_norm"),
)
