"""Memory for what a program computes on the way: as much as its largest step needs, as little as its last one used."""

from __future__ import annotations

import mmap
from contextlib import suppress

import numpy as np

_LEAST = 4 << 20
"""Bytes that are not worth giving back."""
_MANY = 4
"""How many times less than before a step has to use for the rest to be given back."""


class Room:
    """``size`` bytes that start at a cache line. Raises MemoryError when the system does not have them.

    Pages take memory from when they are written on. After a long prompt come many steps of a few tokens: then the
    prompt's pages go back to the system. That they have to come again costs the next prompt less than one can measure.
    Large pages are declined, because a few rows of every buffer would then take as much as all rows.
    """

    def __init__(self, size: int) -> None:
        flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        try:
            self._map = mmap.mmap(-1, max(size, 1), **flags)
        except OSError as error:
            raise MemoryError(f"{size} bytes for the values of a step") from error
        self._advise("MADV_NOHUGEPAGE")
        self.address: int = np.frombuffer(self._map, np.uint8).ctypes.data
        self._used = 0

    def use(self, size: int) -> None:
        """Say how many bytes are used from now on, wherever they lie. What is there now is not needed any more."""
        if self._used >= max(_LEAST, _MANY * size):
            self._advise("MADV_DONTNEED")
            self._used = 0
        self._used = max(self._used, size)

    def _advise(self, name: str) -> None:
        """Where the system takes such advice; nothing fails without it."""
        if hasattr(mmap, name):
            with suppress(OSError):
                self._map.madvise(getattr(mmap, name))
