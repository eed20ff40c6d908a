"""Mapping a weight file into memory, with errors for people."""

from __future__ import annotations

import mmap as system
from ctypes import addressof, c_char
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from weakref import WeakKeyDictionary

from mistralrs.errors import ModelFormatError

_mapped: WeakKeyDictionary[mmap, int] = WeakKeyDictionary()
"""The files mapped now, with their addresses."""


def map_file(path: Path) -> mmap:
    """Map a file privately: its bytes are shared with the page cache, and what is written to them stays here.

    A file that is shortened while it is mapped ends the process at the next access, so weight files are to be replaced,
    never edited. Raises :class:`~mistralrs.errors.ModelFormatError` for a file that is empty or cannot be read.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap(file.fileno(), 0, access=ACCESS_COPY)
    except ValueError:  # mmap's answer to an empty file
        raise ModelFormatError(f"{path.name}: the file is empty", "fetch it again") from None
    except OSError as error:
        raise ModelFormatError(f"{path.name}: cannot be read: {error.strerror}", f"check {path}") from None
    _mapped[mapped] = addressof(c_char.from_buffer(mapped))
    return mapped


def give_back(address: int, size: int) -> None:
    """Take the whole pages of a mapped file that lie in ``size`` bytes from ``address`` on out of this process.

    For a reader that has made its own copy of them: they stop counting as this process's memory, and are mapped again
    at the next access. What was written to them is forgotten. Memory that is no mapped file is left alone.
    """
    advice = getattr(system, "MADV_DONTNEED", None)
    for mapped, start in list(_mapped.items()):
        if advice is not None and not mapped.closed and start <= address and address + size <= start + len(mapped):
            first = -(-(address - start) // system.PAGESIZE) * system.PAGESIZE
            last = (address - start + size) // system.PAGESIZE * system.PAGESIZE
            if last > first:
                mapped.madvise(advice, first, last - first)
