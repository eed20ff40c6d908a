"""Mapping a weight file into memory, with errors for people."""

from __future__ import annotations

import os
from ctypes import addressof, c_char
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary, finalize

from mistralrs.errors import ModelFormatError

_mapped: WeakKeyDictionary[mmap, _Place] = WeakKeyDictionary()
"""The files mapped now."""


class _Place(NamedTuple):
    """Where a file is mapped, and how it is read otherwise."""

    name: str
    address: int
    descriptor: int


def map_file(path: Path) -> mmap:
    """Map a file privately: its bytes are shared with the page cache, and what is written to them stays here.

    A file that is shortened while it is mapped ends the process at the next access, so weight files are to be replaced,
    never edited. Raises :class:`~mistralrs.errors.ModelFormatError` for a file that is empty or cannot be read.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap(file.fileno(), 0, access=ACCESS_COPY)
            descriptor = os.dup(file.fileno())
    except ValueError:  # mmap's answer to an empty file
        raise ModelFormatError(f"{path.name}: the file is empty", "fetch it again") from None
    except OSError as error:
        raise ModelFormatError(f"{path.name}: cannot be read: {error.strerror}", f"check {path}") from None
    finalize(mapped, os.close, descriptor)
    _mapped[mapped] = _Place(path.name, addressof(c_char.from_buffer(mapped)), descriptor)
    return mapped


def read_again(address: int, into: memoryview) -> bool:
    """Fill ``into`` with what the file that is mapped at ``address`` holds from there on; False where there is none.

    For a reader that makes a copy of another form: reading takes half the time of mapping pages and giving them back,
    which would count as this process's memory meanwhile. What was written to the mapping is not seen. Raises
    :class:`~mistralrs.errors.ModelFormatError` for a file that has become shorter.
    """
    for mapped, place in list(_mapped.items()):
        start = address - place.address
        if not mapped.closed and start >= 0 and start + len(into) <= len(mapped) and hasattr(os, "preadv"):
            _read(place, start, into)
            return True
    return False


def _read(place: _Place, start: int, into: memoryview) -> None:
    done = 0
    while done < len(into):
        try:
            count = os.preadv(place.descriptor, [into[done:]], start + done)
        except OSError as error:
            raise ModelFormatError(f"{place.name}: cannot be read: {error.strerror}", "check its disk") from None
        if not count:
            raise ModelFormatError(f"{place.name}: the file is shorter than it was", "fetch it again")
        done += count
