"""Mamba-2: scans all the way, one to a layer."""

from functools import partial
from typing import Any

from torch import nn

from mistralrs.modelkit import DecoderRecipe, MixerLayer, Names, mamba2, no_rope, nothing


def one_block(norm: Any, mixer: nn.Module, mlp: nn.Module) -> MixerLayer:
    """A layer without a feed-forward block."""
    return MixerLayer(norm("norm"), mixer)


build = DecoderRecipe(
    attention=partial(mamba2),
    mlp=nothing,
    layer=one_block,
    rope=no_rope,
    names=Names(body="backbone", embed="embeddings", norm="norm_f", attention="mixer"),
)
