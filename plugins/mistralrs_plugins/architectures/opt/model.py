"""OPT = the decoder of GPT-2 with three projections, and positions whose table begins with two unused rows."""

from functools import partial
from typing import Any

from torch import nn

from mistralrs.layers import Embedding, PositionedEmbedding
from mistralrs.modelkit import DecoderRecipe, Names, gqa, layer_norm, no_rope, plain_mlp, pre_norm
from mistralrs.ops import Weight
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.opt.config import OptConfig

UNUSED = 2


def positioned(cfg: OptConfig, wb: WeightBuilder, embed: Embedding) -> nn.Module:
    """The sum of the embeddings of tokens and of positions."""
    rows = (cfg.max_position_embeddings + UNUSED, cfg.hidden_size)
    table = wb.tensor("embed_positions.weight", rows, role="embedding")[UNUSED:]
    return PositionedEmbedding(embed, Embedding(Weight.dense(table), wb.dtype))


def layer(norm: Any, attention: nn.Module, mlp: nn.Module) -> nn.Module:
    """The usual layer under OPT's names."""
    return pre_norm(norm, attention, mlp, ("self_attn_layer_norm", "final_layer_norm"))


build = DecoderRecipe(
    attention=partial(gqa, out="out_proj"),
    mlp=partial(plain_mlp, up="fc1", down="fc2"),
    norm=layer_norm,
    layer=layer,
    entry=positioned,
    rope=no_rope,
    names=Names(body="model.decoder", norm="final_layer_norm", mlp=""),
)
