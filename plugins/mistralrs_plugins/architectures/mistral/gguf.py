"""Mistral in GGUF: written as Llama, so only its name tells."""

from collections.abc import Collection, Mapping
from typing import Any

from mistralrs.modelkit.gguf import GgufMap, has_experts, identity

GGUF = GgufMap(constants={"rope_style": "adjacent"})


def matches(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """Sure when the file calls itself Mistral."""
    return 1 if "stral" in identity(metadata) and not has_experts(tensors) else -1
