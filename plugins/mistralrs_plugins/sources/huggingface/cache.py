"""The hub's cache folder, read and written the way every tool that shares it does.

Layout, documented by huggingface_hub under "Understand caching"::

    models--ORG--NAME/refs/REVISION      holds a commit
                      snapshots/COMMIT/  the files of a commit, as links into
                      blobs/DIGEST
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mistralrs.checkpoint import files_below

COMMIT = re.compile(r"[0-9a-f]{40}")
PREFIX = "models--"


@dataclass(frozen=True, slots=True)
class RepoCache:
    """The cache of one repository below ``root``, the folder of the whole cache."""

    root: Path
    repo: str

    @property
    def folder(self) -> Path:
        """The repository's folder."""
        return self.root / (PREFIX + self.repo.replace("/", "--"))

    @property
    def locks(self) -> Path:
        """Where the locks of this repository's downloads lie."""
        return self.root / ".locks" / self.folder.name

    def blob(self, digest: str) -> Path:
        """Where the content with this digest lies."""
        return self.folder / "blobs" / digest

    def snapshot(self, commit: str) -> Path:
        """The folder with the files of ``commit``."""
        return self.folder / "snapshots" / commit

    def resolve(self, revision: str) -> str | None:
        """The commit that ``revision`` meant when it was last fetched."""
        if COMMIT.fullmatch(revision):
            return revision if self.snapshot(revision).is_dir() else None
        try:
            commit = (self.folder / "refs" / revision).read_text("ascii").strip()
        except (OSError, ValueError):
            return None
        return commit if COMMIT.fullmatch(commit) and self.snapshot(commit).is_dir() else None

    def record(self, revision: str, commit: str) -> None:
        """Remember that ``revision`` means ``commit``, for offline runs and other tools."""
        ref = self.folder / "refs" / revision
        if COMMIT.fullmatch(revision) or self.resolve(revision) == commit:
            return
        ref.parent.mkdir(parents=True, exist_ok=True)
        temporary = ref.with_name(f"{ref.name}.{os.getpid()}.tmp")
        temporary.write_text(commit, "ascii")
        temporary.replace(ref)

    def files(self, commit: str) -> frozenset[str]:
        """Names of the files of ``commit`` that are here."""
        root = self.snapshot(commit)
        return frozenset(path.relative_to(root).as_posix() for path, _ in files_below(root))

    def size(self) -> int:
        """Bytes on disk, each file counted once, half-finished downloads included."""
        return sum(status.st_size for status in self._contents())

    def last_used(self) -> float | None:
        """When a file was last read or written, in seconds since the epoch."""
        return max((max(status.st_atime, status.st_mtime) for status in self._contents()), default=None)

    def remove(self) -> int:
        """Delete the repository from the cache; returns the bytes freed."""
        from huggingface_hub import scan_cache_dir  # imports an HTTP client

        freed = self.size()
        # The hub's own deletion comes first: it also sweeps what it keeps for several repositories in common.
        scan = scan_cache_dir(self.root)
        ours = [repo for repo in scan.repos if repo.repo_path == self.folder]
        scan.delete_revisions(*(revision.commit_hash for repo in ours for revision in repo.revisions)).execute()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.locks, ignore_errors=True)
        return freed

    def _contents(self) -> Collection[os.stat_result]:
        """The files behind the links, each once."""
        return {(status.st_dev, status.st_ino): status for _, status in files_below(self.folder)}.values()


def repositories(root: Path) -> Iterator[RepoCache]:
    """Every model repository below the cache folder ``root``."""
    for folder in sorted(root.glob(f"{PREFIX}*")):
        if folder.is_dir():
            yield RepoCache(root, folder.name.removeprefix(PREFIX).replace("--", "/", 1))
