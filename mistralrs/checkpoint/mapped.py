"""Mapping a weight file into memory, with errors for people."""

from __future__ import annotations

from mmap import ACCESS_COPY, mmap
from pathlib import Path

from mistralrs.errors import ModelFormatError


def map_file(path: Path) -> mmap:
    """Map a file privately: its bytes are shared with the page cache, and what is written to them stays here.

    A file that is shortened while it is mapped ends the process at the next access, so weight files are to be replaced,
    never edited. Raises :class:`~mistralrs.errors.ModelFormatError` for a file that is empty or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_COPY)
    except ValueError:  # mmap's answer to an empty file
        raise ModelFormatError(f"{path.name}: the file is empty", "fetch it again") from None
    except OSError as error:
        raise ModelFormatError(f"{path.name}: cannot be read: {error.strerror}", f"check {path}") from None
