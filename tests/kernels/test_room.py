"""Memory for a step's values: there for the largest step, gone after it."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mistralrs_plugins.kernels.cpu import single
from mistralrs_plugins.kernels.cpu.program.room import Room
from tests.kernels.probes import random_weight

linux = pytest.mark.skipif(sys.platform != "linux", reason="pages are counted in /proc")
MIB = 1 << 20


def resident(room: Room) -> int:
    """Bytes of memory that a room takes at present: bit 63 of a page's word says that it is there (pagemap)."""
    size = mmap.PAGESIZE
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pages:
        pages.seek(room.address // size * 8)
        words = np.frombuffer(pages.read(-(-len(room._map) // size) * 8), np.uint64)
    return size * int((words >> np.uint64(63)).sum())


def fill(room: Room, size: int) -> None:
    """Write to the first ``size`` bytes."""
    room._map[:size] = b"x" * size


@linux
def test_small_steps_give_back_what_a_large_one_took() -> None:
    room = Room(64 * MIB)
    assert resident(room) == 0
    room.use(64 * MIB)
    fill(room, 64 * MIB)
    assert resident(room) == 64 * MIB
    room.use(MIB)
    assert resident(room) == 0
    fill(room, MIB)
    room.use(MIB)
    assert resident(room) == MIB, "what the same steps use all the time stays"


@linux
def test_steps_of_about_the_same_size_keep_their_pages() -> None:
    room = Room(64 * MIB)
    for size in (60, 30, 60, 20):
        room.use(size * MIB)
        fill(room, size * MIB)
    assert resident(room) == 60 * MIB


@linux
def test_a_long_prompt_leaves_nothing_behind() -> None:
    weight, rows = random_weight("q4_1", 40, 1024), torch.randn(8000, 1024)
    single._program.cache_clear()
    alone = single.linear(rows[:2], weight, None)
    whole = single.linear(rows, weight, None)
    program = single._program("q4_1", 40, 1024, weight.layout.row_bytes(1024))
    assert resident(program._memory) >= 8000 * program.row_bytes
    assert torch.equal(single.linear(rows[:2], weight, None), alone)
    assert torch.equal(whole[:2], alone)
    assert resident(program._memory) < MIB


def test_a_room_that_there_is_no_memory_for() -> None:
    with pytest.raises(MemoryError, match="values of a step"):
        Room(1 << 60)
