"""Brings single files of one pinned commit into the hub's cache."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get

# Public, but re-exported in a way that mypy does not count as such.
from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]

from mistralrs.checkpoint.selection import check_name
from mistralrs.errors import SourceError
from mistralrs_plugins.sources.huggingface.cache import COMMIT, RepoCache
from mistralrs_plugins.sources.huggingface.failures import UnreachableError, explained
from mistralrs_plugins.sources.huggingface.meter import Meter

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository; ``sha256`` is known for the large ones."""

    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Hub:
    """How the hub is reached: where it is, and the token in huggingface_hub's terms."""

    endpoint: str
    token: str | bool | None


def list_files(hub: Hub, repo: str, revision: str) -> tuple[str, Mapping[str, RemoteFile]]:
    """The commit that ``revision`` means now, and all its files by name.

    Raises:
        SourceError: no such repository or revision, no access, a file name that could leave the cache.
        UnreachableError: no answer, or one that no hub would give.
    """
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    timeout = constants.HF_HUB_ETAG_TIMEOUT
    with explained(repo, revision, hub.endpoint):
        try:
            info = api.model_info(repo, revision=revision, files_metadata=True, timeout=timeout)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, OSError) or type(error).__module__.startswith("huggingface_hub"):
                raise
            raise _no_hub(hub.endpoint) from None
    if info.sha is None or not COMMIT.fullmatch(info.sha):
        raise _no_hub(hub.endpoint)
    files = {}
    for entry in info.siblings or ():
        name, size, lfs = check_name(entry.rfilename, repo), entry.size or 0, entry.lfs
        sha256 = lfs.sha256 if lfs is not None and SHA256.fullmatch(lfs.sha256 or "") else None
        files[name] = RemoteFile(name, lfs.size if lfs is not None else size, sha256)
    return info.sha, files


class Download:
    """Fetches files of ``commit``. Every file is complete and checked before it appears under its name."""

    def __init__(self, hub: Hub, cache: RepoCache, commit: str, meter: Meter) -> None:
        self._hub = hub
        self._cache = cache
        self._commit = commit
        self._meter = meter

    def expect(self, files: Iterable[RemoteFile]) -> int:
        """Count the files that are not here yet towards the progress; returns the bytes that have to come."""
        missing = [file for file in files if not self._present(file)]
        self._meter.total += sum(file.size for file in missing)
        return sum(file.size - min(file.size, self._partial_size(file)) for file in missing)

    def fetch(self, file: RemoteFile) -> Path:
        """The local path of ``file``, downloaded unless it is here.

        Raises:
            SourceError: it cannot be had, or what arrived is not what the repository holds.
        """
        path = self._path(file)
        if self._present(file):
            return path
        self._drop_damaged(path)
        start = self._meter.done
        with explained(self._cache.repo, self._commit, self._hub.endpoint, file.name):
            if file.sha256 is not None and not self._fetched_by_xet(file):
                self._resume(file, file.sha256)
            self._link(file)
        self._meter.reach(start + file.size)
        return path

    def _path(self, file: RemoteFile) -> Path:
        return self._cache.snapshot(self._commit) / file.name

    def _present(self, file: RemoteFile) -> bool:
        path = self._path(file)
        return path.is_file() and path.stat().st_size == file.size

    def _partial_size(self, file: RemoteFile) -> int:
        part = self._part(file.sha256) if file.sha256 else None
        return part.stat().st_size if part and part.is_file() else 0

    def _part(self, sha256: str) -> Path:
        return self._cache.blob(sha256).with_suffix(".incomplete")

    def _url(self, file: RemoteFile) -> str:
        return hf_hub_url(self._cache.repo, file.name, revision=self._commit, endpoint=self._hub.endpoint)

    def _fetched_by_xet(self, file: RemoteFile) -> bool:
        """Fetch by hf_xet if the hub keeps the file that way: faster, and checked by hashes of its own."""
        if constants.HF_HUB_DISABLE_XET:
            return False
        metadata = get_hf_file_metadata(self._url(file), token=self._hub.token, endpoint=self._hub.endpoint)
        if metadata.xet_file_data is None:
            return False
        try:
            self._link(file)
        except (RuntimeError, OSError):
            return False  # the same content is to be had over plain HTTP, which also gives the better reasons
        return True

    def _link(self, file: RemoteFile) -> None:
        """Let huggingface_hub put the file into the snapshot, downloading it unless its content is here."""
        hf_hub_download(
            self._cache.repo,
            file.name,
            revision=self._commit,
            cache_dir=self._cache.root,
            endpoint=self._hub.endpoint,
            token=self._hub.token,
            tqdm_class=self._meter.bar_class(),
        )

    def _resume(self, file: RemoteFile, sha256: str) -> None:
        """Download the content to the place where the hub keeps it, going on where an earlier run stopped.

        huggingface_hub itself throws half a file away when it is interrupted, and does not compare checksums. The
        lock is the one it uses, so that two processes, ours or not, do not download the same file twice.
        """
        blob, part = self._cache.blob(sha256), self._part(sha256)
        for folder in (blob.parent, self._cache.locks):
            folder.mkdir(parents=True, exist_ok=True)
        headers = build_hf_headers(token=self._hub.token) | {"Accept-Encoding": "identity"}
        with WeakFileLock(self._cache.locks / f"{sha256}.lock"):
            if blob.exists():
                return
            with part.open("ab") as out:
                if out.tell() > file.size:
                    out.truncate(0)
                    out.seek(0)
                http_get(
                    self._url(file),
                    out,
                    resume_size=out.tell(),
                    headers=headers,
                    expected_size=file.size,
                    tqdm_class=self._meter.bar_class(),
                )
            with part.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
            if found != sha256:
                part.unlink()
                raise SourceError(
                    f"{file.name} of {self._cache.repo} does not match its sha256",
                    "the download was altered or damaged and has been removed; try again",
                )
            part.replace(blob)

    def _drop_damaged(self, path: Path) -> None:
        """Remove a file of the wrong size, and the content it links to, so that it is fetched anew."""
        if path.is_symlink():
            self._cache.blob(path.readlink().name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _no_hub(endpoint: str) -> SourceError:
    return UnreachableError(f"{endpoint} does not answer as a Hugging Face hub does", "check HF_ENDPOINT")
