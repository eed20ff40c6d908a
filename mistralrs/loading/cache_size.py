"""How many blocks the paged cache gets."""

from __future__ import annotations

from collections.abc import Sequence

import psutil
import torch

from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.errors import UsageError
from mistralrs.kvcache.paged import bytes_per_block
from mistralrs.ops import CacheSpec

DEFAULT_SEQUENCES = 4
DEFAULT_CONTEXT = 8192
DEFAULT_SHARE = 0.25


def cache_blocks(
    paged: PagedAttentionConfig,
    caches: Sequence[CacheSpec],
    dtype: torch.dtype,
    context_length: int,
    device: torch.device,
) -> int:
    """Blocks to reserve: what the user asked for, else four sequences of up to 8192 tokens within a quarter of memory.

    Raises :class:`UsageError` when the memory asked for does not hold a single block.
    """
    each = bytes_per_block(caches, paged.block_size, dtype)
    if each == 0:
        return 1
    if paged.context_len is not None:
        return -(-paged.context_len // paged.block_size)
    if paged.memory_mb is not None:
        return _at_least_one(paged.memory_mb * 2**20 // each, "memory_mb", each)
    free = _free_memory(device)
    if paged.memory_fraction is not None:
        return _at_least_one(int(free * paged.memory_fraction) // each, "memory_fraction", each)
    wanted = DEFAULT_SEQUENCES * -(-min(context_length, DEFAULT_CONTEXT) // paged.block_size)
    return max(1, min(wanted, int(free * DEFAULT_SHARE) // each))


def _at_least_one(blocks: int, name: str, each: int) -> int:
    if blocks < 1:
        raise UsageError(f"the cache size is less than one block of {each / 2**20:.1f} MiB", f"raise {name}")
    return blocks


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
