"""How many recurrent states are kept beside the blocks of the paged cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mistralrs.config.paged import DEFAULT_SHARE, PagedAttentionConfig
from mistralrs.errors import UsageError
from mistralrs.kvcache.paged import bytes_per_state
from mistralrs.ops import CacheSpec, Slot

PER_SEQUENCE = 3
"""Two to compute with, and one to start a later request from."""
FEWEST = 2


def cache_states(
    paged: PagedAttentionConfig,
    caches: Sequence[tuple[CacheSpec, Slot]],
    max_seqs: int,
    room: Mapping[Slot, int],
    reserved: int = 0,
) -> tuple[int, PagedAttentionConfig, Mapping[Slot, int]]:
    """States to reserve, 0 without recurrent layers; then the settings and the room that are left for blocks.

    Three for each of ``max_seqs`` sequences, in half of the memory that the cache may take in each slot of ``room``
    (bytes). ``reserved`` are known to fit. Raises :class:`UsageError` when the memory asked for does not hold two.
    """
    each: Counter[Slot] = Counter()
    for spec, slot in caches:
        each[slot] += bytes_per_state([spec])
    if not each.total():
        return 0, paged, room
    share = paged.memory_fraction or DEFAULT_SHARE
    if paged.memory_mb is not None:
        fits = paged.memory_mb * 2**19 // each.total()
    else:
        fits = min(int(room[slot] * share / 2) // size for slot, size in each.items() if size)
    if fits < FEWEST and (paged.memory_mb or paged.memory_fraction):
        size = f"{FEWEST} states of {each.total() / 2**20:.1f} MiB"
        raise UsageError(f"half of the cache's memory does not hold {size}", "raise memory_mb or memory_fraction")
    known = 0 if paged.memory_mb or paged.memory_fraction else reserved
    count = max(FEWEST, min(PER_SEQUENCE * max_seqs, max(fits, known)))
    if paged.memory_mb is not None:
        left = max(1, paged.memory_mb - count * each.total() // 2**20)
        return count, paged.model_copy(update={"memory_mb": left}), room
    return count, paged, {slot: max(0, round(room[slot] - count * each[slot] / share)) for slot in room}
