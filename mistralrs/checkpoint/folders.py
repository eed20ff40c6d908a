"""Looking into folders that other processes write to at the same time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path


def files_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file below ``folder``, links to files followed, with its status. What disappears meanwhile is left out.

    ``Path.rglob`` is no help here: it raises when a folder is removed between its being listed and being opened.
    """
    for where, _, names in os.walk(folder):
        yield from _present(Path(where, name) for name in names)


def oldest_first(paths: Iterable[Path]) -> list[Path]:
    """The files among ``paths`` by the time of their last change. What disappears meanwhile is left out."""
    return [path for path, status in sorted(_present(paths), key=lambda found: found[1].st_mtime_ns)]


def _present(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield path, status
