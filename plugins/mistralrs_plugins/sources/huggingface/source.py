"""A model repository of the hub as local files: only those that are needed, all of one commit."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from mistralrs.checkpoint import CachedModel, FetchRequest, ModelFiles
from mistralrs.checkpoint.selection import (
    choose_companions,
    choose_named,
    choose_weights,
    index_name,
    read_index,
    shorten,
)
from mistralrs.errors import SourceError
from mistralrs_plugins.sources.huggingface.cache import PREFIX, RepoCache, repositories
from mistralrs_plugins.sources.huggingface.token import resolve_token

DEFAULT_REVISION = "main"
MAX_REVISION = 200

logger = logging.getLogger(__name__)


class HubSource:
    """Fetches repositories, and knows what is in the hub's cache."""

    def fetch(self, request: FetchRequest) -> ModelFiles:
        """Make the needed files local. See :class:`mistralrs.checkpoint.Source`.

        The revision is resolved to a commit once; every file is of that commit. When the hub cannot be reached, what
        the revision meant last time is used if all of it is here.
        """
        revision = _checked_revision(request.revision or DEFAULT_REVISION)
        cache = RepoCache(_cache_root(request.cache_dir), _checked_repo(request.reference))
        if request.offline or constants.HF_HUB_OFFLINE:
            return _from_cache(cache, request, revision)

        from mistralrs_plugins.sources.huggingface.failures import UnreachableError  # imports an HTTP client

        try:
            return _from_hub(cache, request, revision)
        except UnreachableError as error:
            try:
                files = _from_cache(cache, request, revision)
            except SourceError:
                raise error from None
            logger.warning("%s; using the copy in the cache", error.message)
            return files

    def cached(self, cache_dir: Path | None = None) -> Iterable[CachedModel]:
        """Every model repository in the hub's cache, whoever downloaded it."""
        for repo in repositories(_cache_root(cache_dir)):
            yield CachedModel(
                reference=repo.repo,
                source="huggingface",
                size=repo.size(),
                last_used=repo.last_used(),
                path=repo.folder,
            )

    def delete(self, model: CachedModel) -> int:
        """Remove a repository from the cache; returns the bytes freed."""
        if not model.path.name.startswith(PREFIX) or not model.path.is_dir():
            raise SourceError(f"{model.reference} is not in the cache any more")
        return RepoCache(model.path.parent, model.reference).remove()


@dataclass(frozen=True, slots=True)
class _Choice:
    """The names of the files that are needed."""

    weights: tuple[str, ...]
    companions: tuple[str, ...]


def _choose(names: Collection[str], request: FetchRequest, read: Callable[[str], bytes], where: str) -> _Choice:
    weights: tuple[str, ...] = ()
    if request.weights:
        weights = choose_named(names, request.weights, where, request.suffixes)
    elif request.suffixes:
        weights = choose_weights(names, request.suffixes, read, where)
    index = index_name(weights, names)
    companions = {*choose_companions(names, request.companions), *([index] if index else ())}
    if request.sha256 is not None and len(weights) != 1:
        raise SourceError(f"a sha256 is given for {where}, which has {len(weights)} weight files")
    return _Choice(weights, tuple(sorted(companions)))


def _from_cache(cache: RepoCache, request: FetchRequest, revision: str) -> ModelFiles:
    """The files as they were fetched before, without asking anybody."""
    commit = cache.resolve(revision)
    if commit is None:
        raise SourceError(
            f"{cache.repo} at revision {revision!r} is not in the cache, and the network is off",
            "fetch it once with HF_HUB_OFFLINE unset",
        )
    root = cache.snapshot(commit)
    where = f"the cached copy of {cache.repo}"
    choice = _choose(cache.files(commit), request, lambda name: read_index(root / name, where), where)
    return _model_files(cache, commit, choice, request)


def _from_hub(cache: RepoCache, request: FetchRequest, revision: str) -> ModelFiles:
    """Ask the hub what there is, fetch what is missing, and record which commit the revision means."""
    from mistralrs_plugins.sources.huggingface.download import Download, Hub, list_files
    from mistralrs_plugins.sources.huggingface.meter import Meter

    if "HF_HUB_VERBOSITY" not in os.environ:
        # Its retries and hints are noise; what fails in the end is reported by us.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    hub = Hub(os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/"), resolve_token(request.token_source))
    commit, files = list_files(hub, cache.repo, revision)
    download = Download(hub, cache, commit, Meter(cache.repo, request.progress))

    def read(name: str) -> bytes:
        download.expect([files[name]])
        return read_index(download.fetch(files[name]), cache.repo)

    choice = _choose(files.keys(), request, read, cache.repo)
    if request.sha256 and files[choice.weights[0]].sha256 not in (None, request.sha256.lower()):
        raise _wrong_digest(choice.weights[0], cache.repo)
    wanted = [files[name] for name in (*choice.companions, *choice.weights)]
    _check_space(cache, download.expect(wanted))
    for file in wanted:
        download.fetch(file)
    cache.record(revision, commit)
    return _model_files(cache, commit, choice, request)


def _model_files(cache: RepoCache, commit: str, choice: _Choice, request: FetchRequest) -> ModelFiles:
    root = cache.snapshot(commit)
    companions: Mapping[str, Path] = {name: root / name for name in choice.companions}
    if request.sha256 and _digest(root / choice.weights[0]) != request.sha256.lower():
        raise _wrong_digest(choice.weights[0], cache.repo)
    return ModelFiles(
        id=cache.repo,
        source="huggingface",
        root=root,
        weights=tuple(root / name for name in choice.weights),
        companions=companions,
    )


def _digest(path: Path) -> str:
    """The sha256 of a cached file: the name of its blob if it is a large one, else computed."""
    if path.is_symlink() and len(path.readlink().name) == 64:
        return path.readlink().name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wrong_digest(name: str, where: str) -> SourceError:
    return SourceError(
        f"{name} of {where} does not match the sha256 in registry.toml", "it has been replaced, or the pin is wrong"
    )


def _check_space(cache: RepoCache, needed: int) -> None:
    existing = next(folder for folder in (cache.root, *cache.root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise SourceError(
            f"{cache.repo} needs {needed / 1e9:.1f} GB more, {existing} has {free / 1e9:.1f} GB free",
            "free some space, or choose a folder with --hf-cache",
        )


def _cache_root(cache_dir: Path | None) -> Path:
    return Path(cache_dir or constants.HF_HUB_CACHE).expanduser()


def _checked_repo(reference: str) -> str:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, see download.py

    repo = reference.strip("/")
    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise SourceError(
            f"neither a file here nor a repository on the hub: {shorten(reference)}", "the form is org/name"
        ) from None
    return repo


def _checked_revision(revision: str) -> str:
    """A revision becomes part of a path in the cache and of a URL."""
    parts = revision.split("/")
    if len(revision) > MAX_REVISION or not revision.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise SourceError(f"not a revision: {shorten(revision)}", "name a branch, a tag or a commit")
    return revision
