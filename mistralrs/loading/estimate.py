"""What a model will take in memory, from its files' headers alone. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from mistralrs.config.paged import DEFAULT_CONTEXT, DEFAULT_SEQUENCES, DEFAULT_SHARE, PagedAttentionConfig
from mistralrs.loading.inspect import Inspected

PROCESS_BYTES = 400 << 20
"""What an engine's process takes beside weights and cache: libraries, compiled kernels, scratch memory."""
VALUE_BYTES = {"f32": 4}
LAYER_FIELDS = ("num_hidden_layers", "num_key_value_heads", "head_dim")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Bytes. ``cache`` is an upper bound: its pages are taken when they are first used."""

    weights: int
    cache: int = 0
    process: int = PROCESS_BYTES

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.process

    def __str__(self) -> str:
        parts = (("weights", self.weights), ("cache up to", self.cache))
        listed = ", ".join(f"{name} {size / 2**30:.2f}" for name, size in parts)
        return f"about {self.total / 2**30:.2f} GiB ({listed})"


def estimate(inspected: Inspected, paged: PagedAttentionConfig) -> MemoryEstimate:
    """Weights as the file has them, and the cache that ``paged`` asks for.

    Sliding windows are not taken off, and an architecture whose configuration does not say how wide its cache is
    counts without one.
    """
    weights = sum(tensor.nbytes for tensor in inspected.checkpoint.tensors.values())
    return MemoryEstimate(weights=weights, cache=_cache(inspected, paged))


def _cache(inspected: Inspected, paged: PagedAttentionConfig) -> int:
    if paged.memory_mb is not None:
        return paged.memory_mb << 20
    sizes = [getattr(inspected.config, name, 0) for name in LAYER_FIELDS]
    layers, heads, width = (size if isinstance(size, int) else 0 for size in sizes)
    each = 2 * layers * heads * width * VALUE_BYTES.get(paged.cache_type, 2)
    if paged.context_len is not None:
        return each * paged.context_len
    free = psutil.virtual_memory().available
    if paged.memory_fraction is not None:
        return int(free * paged.memory_fraction)
    tokens = DEFAULT_SEQUENCES * min(inspected.context_length, DEFAULT_CONTEXT)
    return min(each * tokens, int(free * DEFAULT_SHARE))
