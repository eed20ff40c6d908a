"""How many blocks the paged cache gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch

from mistralrs.config.paged import DEFAULT_CONTEXT, DEFAULT_SEQUENCES, DEFAULT_SHARE, PagedAttentionConfig
from mistralrs.errors import UsageError
from mistralrs.kvcache.paged import bytes_per_block
from mistralrs.ops import CacheSpec, Slot


def cache_blocks(
    paged: PagedAttentionConfig,
    caches: Sequence[tuple[CacheSpec, Slot]],
    dtype: torch.dtype,
    context_length: int,
    room: Mapping[Slot, int],
    reserved: int = 0,
) -> int:
    """Blocks to reserve: what the user asked for, else four sequences of up to 8192 tokens within a quarter of memory.

    A block takes its share of every layer, so the slot with the least ``room`` (bytes) for its layers decides.
    ``reserved`` tokens are known to fit. Raises :class:`UsageError` when the memory asked for does not hold a block.
    """
    each: Counter[Slot] = Counter()
    for spec, slot in caches:
        each[slot] += bytes_per_block([spec], paged.block_size, dtype)
    if paged.context_len is not None:
        return -(-paged.context_len // paged.block_size)
    if not each.total():  # blocks are numbers only, which tell prefixes apart
        return DEFAULT_SEQUENCES * -(-context_length // paged.block_size)
    if paged.memory_mb is not None:
        return _at_least_one(paged.memory_mb * 2**20 // each.total(), "memory_mb", each.total())

    def within(share: float) -> int:
        return min(int(room[slot] * share) // size for slot, size in each.items() if size)

    if paged.memory_fraction is not None:
        return _at_least_one(within(paged.memory_fraction), "memory_fraction", each.total())
    wanted = DEFAULT_SEQUENCES * -(-min(context_length, DEFAULT_CONTEXT) // paged.block_size)
    return max(1, -(-reserved // paged.block_size), min(wanted, within(DEFAULT_SHARE)))


def _at_least_one(blocks: int, name: str, each: int) -> int:
    if blocks < 1:
        raise UsageError(f"the cache size is less than one block of {each / 2**20:.1f} MiB", f"raise {name}")
    return blocks
