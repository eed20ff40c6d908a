"""Llama in GGUF: converters reorder the rows of queries and keys, so that neighbours rotate together."""

from collections.abc import Collection, Mapping
from typing import Any

from mistralrs.modelkit.gguf import GgufMap, has_experts

GGUF = GgufMap(constants={"rope_style": "adjacent"})


def matches(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """Whatever nobody else recognises, unless it has experts."""
    return -1 if has_experts(tensors) else 0
