"""Which files of Qwen 3 hold a reranker. Imports no torch."""

from collections.abc import Collection, Mapping
from typing import Any

from mistralrs.modelkit.gguf import identity


def reranks(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """Only a GGUF file says so, by its name; of others one must say ``--arch qwen3-reranker``."""
    return 1 if "reranker" in identity(metadata) else -1
