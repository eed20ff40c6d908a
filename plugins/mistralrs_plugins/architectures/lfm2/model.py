"""LFM2: gated short convolutions, and attention with normed heads on some layers."""

from functools import partial

from torch import nn

from mistralrs.modelkit import DecoderRecipe, Names, by_layer, gated_conv, gated_mlp, gqa, per_head, pre_norm, rms
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.lfm2.config import Lfm2Config


def mlp(cfg: Lfm2Config, wb: WeightBuilder) -> nn.Module:
    """The gated block with a rounded width."""
    return gated_mlp(cfg, wb, names=("w1", "w3", "w2"), inner=cfg.inner)


attention = partial(gqa, bias=False, qk_norm=per_head(rms, "q_layernorm", "k_layernorm"), out="out_proj")
build = DecoderRecipe(
    attention=by_layer("conv", gated_conv, attention),
    mlp=mlp,
    layer=partial(pre_norm, names=("operator_norm", "ffn_norm")),
    names=Names(attention="", mlp="feed_forward", norm="embedding_norm"),
)
