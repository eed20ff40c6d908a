"""Uploaded files: bounded in number, size and age, in memory, each seen by its owner only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.responses.items import new_id

MAX_FILES = 1024
MAX_BYTES = 256 << 20
KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file. Times are seconds since 1970."""

    owner: str
    filename: str
    purpose: str
    content: bytes
    id: str = field(default_factory=lambda: new_id("file-"))
    created_at: int = field(default_factory=lambda: int(time.time()))

    @property
    def expires_at(self) -> int:
        """When it is forgotten."""
        return self.created_at + KEPT_SECONDS

    def listed(self) -> dict[str, Any]:
        """What clients are told of it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


class FileStore:
    """All files of a server."""

    def __init__(self, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> None:
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._files: dict[str, StoredFile] = {}

    def add(self, file: StoredFile) -> None:
        """Keep a file. Raises :class:`HttpError` 429 when there is no room: none is thrown away before its time."""
        self._forget_old()
        taken = sum(len(each.content) for each in self._files.values())
        if len(self._files) >= self._max_files or taken + len(file.content) > self._max_bytes:
            limits = f"{self._max_files} files and {self._max_bytes} bytes"
            message = f"the server keeps at most {limits}; delete files that are not needed"
            raise HttpError(429, message, "files_full", "file", {"retry-after": "60"})
        self._files[file.id] = file

    def get(self, name: str, owner: str) -> StoredFile:
        """The file of an id. Raises :class:`HttpError` 404 for one that is not there, or not the owner's."""
        self._forget_old()
        file = self._files.get(name)
        if file is None or file.owner != owner:
            raise HttpError(404, f"there is no file {name[:100]!r}", "file_not_found", "file_id")
        return file

    def remove(self, name: str, owner: str) -> None:
        """Forget a file. Raises :class:`HttpError` 404 as :meth:`get` does."""
        del self._files[self.get(name, owner).id]

    def of(self, owner: str) -> Iterator[StoredFile]:
        """The files of one owner, oldest first."""
        self._forget_old()
        return (file for file in self._files.values() if file.owner == owner)

    def _forget_old(self) -> None:
        now = time.time()
        for name in [name for name, file in self._files.items() if file.expires_at <= now]:
            del self._files[name]
