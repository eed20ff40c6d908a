"""The stable kit for authors of architecture plugins.

Names load on first use: a declaration or config that needs no tensors imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mistralrs.modelkit.attention import Attention, QkvPacked, QkvParts
    from mistralrs.modelkit.config import Activation, CausalConfig, HeadSize, OffsetNormConfig, Positive, Size
    from mistralrs.modelkit.decoder import CausalLm, PreNormLayer, SandwichLayer
    from mistralrs.modelkit.gguf import GgufMap
    from mistralrs.modelkit.parts import (
        by_layer_type,
        gated_mlp,
        gqa,
        pre_norm,
        rms,
        root_of_width,
        sandwich_norm,
        windowed,
    )
    from mistralrs.modelkit.recipe import DecoderRecipe
    from mistralrs.modelkit.rope import rope_from, rope_per_layer
    from mistralrs.modelkit.rope_config import RopeParameters
    from mistralrs.modelkit.tiny import TINY

_HOME = {
    "Activation": "config",
    "Attention": "attention",
    "CausalConfig": "config",
    "CausalLm": "decoder",
    "DecoderRecipe": "recipe",
    "GgufMap": "gguf",
    "HeadSize": "config",
    "OffsetNormConfig": "config",
    "Positive": "config",
    "PreNormLayer": "decoder",
    "QkvPacked": "attention",
    "QkvParts": "attention",
    "RopeParameters": "rope_config",
    "SandwichLayer": "decoder",
    "Size": "config",
    "TINY": "tiny",
    "by_layer_type": "parts",
    "gated_mlp": "parts",
    "gqa": "parts",
    "pre_norm": "parts",
    "rms": "parts",
    "root_of_width": "parts",
    "rope_from": "rope",
    "rope_per_layer": "rope",
    "sandwich_norm": "parts",
    "windowed": "parts",
}

__all__ = [
    "TINY",
    "Activation",
    "Attention",
    "CausalConfig",
    "CausalLm",
    "DecoderRecipe",
    "GgufMap",
    "HeadSize",
    "OffsetNormConfig",
    "Positive",
    "PreNormLayer",
    "QkvPacked",
    "QkvParts",
    "RopeParameters",
    "SandwichLayer",
    "Size",
    "by_layer_type",
    "gated_mlp",
    "gqa",
    "pre_norm",
    "rms",
    "root_of_width",
    "rope_from",
    "rope_per_layer",
    "sandwich_norm",
    "windowed",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
