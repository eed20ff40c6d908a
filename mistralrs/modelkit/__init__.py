"""The stable kit for authors of architecture plugins.

Names load on first use: a declaration or config that needs no tensors imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mistralrs.modelkit.attention import Attention, QkvPacked, QkvParts
    from mistralrs.modelkit.config import CausalConfig, RopeParameters
    from mistralrs.modelkit.decoder import CausalLm, PreNormLayer
    from mistralrs.modelkit.gguf import GgufMap
    from mistralrs.modelkit.parts import by_layer_type, full, gated_mlp, gqa, pre_norm, rms, rope_from
    from mistralrs.modelkit.recipe import DecoderRecipe

_HOME = {
    "Attention": "attention",
    "CausalConfig": "config",
    "CausalLm": "decoder",
    "DecoderRecipe": "recipe",
    "GgufMap": "gguf",
    "PreNormLayer": "decoder",
    "QkvPacked": "attention",
    "QkvParts": "attention",
    "RopeParameters": "config",
    "by_layer_type": "parts",
    "full": "parts",
    "gated_mlp": "parts",
    "gqa": "parts",
    "pre_norm": "parts",
    "rms": "parts",
    "rope_from": "parts",
}

__all__ = [
    "Attention",
    "CausalConfig",
    "CausalLm",
    "DecoderRecipe",
    "GgufMap",
    "PreNormLayer",
    "QkvPacked",
    "QkvParts",
    "RopeParameters",
    "by_layer_type",
    "full",
    "gated_mlp",
    "gqa",
    "pre_norm",
    "rms",
    "rope_from",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
