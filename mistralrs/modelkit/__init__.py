"""The stable kit for authors of architecture plugins.

Names load on first use: a declaration or config that needs no tensors imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mistralrs.modelkit.attention import Attention, ClampedQkv, QkvGroups, QkvPacked, QkvParts, RotateThenNorm
    from mistralrs.modelkit.config import (
        Activation,
        CausalConfig,
        HeadSize,
        OffsetNormConfig,
        Positive,
        ScaledConfig,
        Size,
    )
    from mistralrs.modelkit.decoder import CausalLm, ParallelLayer, PostNormLayer, PreNormLayer, SandwichLayer
    from mistralrs.modelkit.gguf import GgufMap
    from mistralrs.modelkit.mlps import gated_mlp, plain_mlp
    from mistralrs.modelkit.norms import (
        across_heads,
        layer_norm,
        layer_norm_without_bias,
        layer_norm_without_weight,
        per_head,
        rms,
        rms_without_weight,
    )
    from mistralrs.modelkit.parts import (
        by_layer_type,
        gqa,
        grouped_qkv,
        packed_qkv,
        parallel,
        post_norm,
        pre_norm,
        root_of_width,
        sandwich_norm,
        scaled,
        windowed,
    )
    from mistralrs.modelkit.recipe import DecoderRecipe, Names, output_head, with_positions
    from mistralrs.modelkit.rope import no_rope, rope_from, rope_per_layer, rope_where
    from mistralrs.modelkit.rope_config import RopeParameters
    from mistralrs.modelkit.tiny import TINY

_HOME = {
    "Activation": "config",
    "Attention": "attention",
    "CausalConfig": "config",
    "CausalLm": "decoder",
    "ClampedQkv": "attention",
    "DecoderRecipe": "recipe",
    "GgufMap": "gguf",
    "HeadSize": "config",
    "Names": "recipe",
    "OffsetNormConfig": "config",
    "ParallelLayer": "decoder",
    "Positive": "config",
    "PostNormLayer": "decoder",
    "PreNormLayer": "decoder",
    "QkvGroups": "attention",
    "QkvPacked": "attention",
    "QkvParts": "attention",
    "RopeParameters": "rope_config",
    "RotateThenNorm": "attention",
    "SandwichLayer": "decoder",
    "ScaledConfig": "config",
    "Size": "config",
    "TINY": "tiny",
    "across_heads": "norms",
    "by_layer_type": "parts",
    "gated_mlp": "mlps",
    "gqa": "parts",
    "grouped_qkv": "parts",
    "layer_norm": "norms",
    "layer_norm_without_bias": "norms",
    "layer_norm_without_weight": "norms",
    "no_rope": "rope",
    "output_head": "recipe",
    "packed_qkv": "parts",
    "parallel": "parts",
    "per_head": "norms",
    "plain_mlp": "mlps",
    "post_norm": "parts",
    "pre_norm": "parts",
    "rms": "norms",
    "rms_without_weight": "norms",
    "root_of_width": "parts",
    "rope_from": "rope",
    "rope_per_layer": "rope",
    "rope_where": "rope",
    "sandwich_norm": "parts",
    "scaled": "parts",
    "windowed": "parts",
    "with_positions": "recipe",
}

__all__ = [
    "TINY",
    "Activation",
    "Attention",
    "CausalConfig",
    "CausalLm",
    "ClampedQkv",
    "DecoderRecipe",
    "GgufMap",
    "HeadSize",
    "Names",
    "OffsetNormConfig",
    "ParallelLayer",
    "Positive",
    "PostNormLayer",
    "PreNormLayer",
    "QkvGroups",
    "QkvPacked",
    "QkvParts",
    "RopeParameters",
    "RotateThenNorm",
    "SandwichLayer",
    "ScaledConfig",
    "Size",
    "across_heads",
    "by_layer_type",
    "gated_mlp",
    "gqa",
    "grouped_qkv",
    "layer_norm",
    "layer_norm_without_bias",
    "layer_norm_without_weight",
    "no_rope",
    "output_head",
    "packed_qkv",
    "parallel",
    "per_head",
    "plain_mlp",
    "post_norm",
    "pre_norm",
    "rms",
    "rms_without_weight",
    "root_of_width",
    "rope_from",
    "rope_per_layer",
    "rope_where",
    "sandwich_norm",
    "scaled",
    "windowed",
    "with_positions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
