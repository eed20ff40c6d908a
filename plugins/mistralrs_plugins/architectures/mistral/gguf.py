"""What tells Mistral from others. In GGUF it is written as Llama, so only its name does."""

from collections.abc import Collection, Mapping
from typing import Any

from mistralrs.modelkit.gguf import GgufMap, has_experts, identity
from mistralrs.modelkit.text_side import text_kind

GGUF = GgufMap(constants={"rope_style": "adjacent"})


def matches(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """Sure when the file, or the text side of one that also sees, calls itself Mistral."""
    if (kind := text_kind(metadata)) is not None:
        return 1 if kind == "mistral" else -1
    return 1 if "stral" in identity(metadata) and not has_experts(tensors) else -1
