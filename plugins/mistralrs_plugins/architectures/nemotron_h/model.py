"""Nemotron-H: layers of one block each, which scan, attend without rotation, or are a feed-forward block."""

from functools import partial

from torch import nn

from mistralrs.modelkit import DecoderRecipe, Names, gqa, mamba2, no_rope, nothing, one_block, plain_mlp
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.nemotron_h.config import NemotronHConfig


def mixer(cfg: NemotronHConfig, wb: WeightBuilder, index: int, rope: nn.Module | None) -> nn.Module:
    """The block of a layer."""
    if cfg.layer_types[index] == "mlp":
        return plain_mlp(cfg, wb)
    return (mamba2 if cfg.carries(index) else gqa)(cfg, wb, index, rope)


build = DecoderRecipe(
    attention=mixer,
    mlp=nothing,
    layer=partial(one_block, name="norm"),
    rope=no_rope,
    names=Names(body="backbone", embed="embeddings", norm="norm_f", attention="mixer"),
)
