"""A model folder, or a single weight file with its companions beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from mistralrs.checkpoint import CachedModel, FetchRequest, ModelFiles
from mistralrs.checkpoint.selection import (
    choose_companions,
    choose_named,
    choose_weights,
    index_name,
    listing,
    read_index,
    shorten,
    shown,
)
from mistralrs.errors import SourceError, UsageError

# A model folder is shallow; deeper than this somebody named a home directory.
MAX_DEPTH = 3


class LocalSource:
    """Finds files, copies nothing: what it returns is where the user put it."""

    def fetch(self, request: FetchRequest) -> ModelFiles:
        """Find the model's files. See :class:`mistralrs.checkpoint.Source`."""
        if request.revision is not None:
            raise UsageError("--revision is for repositories on the hub", f"{request.reference} is a local path")
        path = _existing(request.reference)
        if path.is_file():
            root, wanted = path.parent, (path.name, *request.weights)
        else:
            root, wanted = path, request.weights
        where = str(path)
        names = {file.name for file in _entries(root) if file.is_file()} if wanted else _tree(root)
        names |= {name for name in wanted if _is_inside(name) and (root / name).is_file()}
        weights: tuple[str, ...] = ()
        if wanted:
            weights = choose_named(names, wanted, str(root), request.suffixes)
        elif request.suffixes:
            weights = choose_weights(names, request.suffixes, lambda name: read_index(root / name, where), where)
        companions = choose_companions(names, request.companions)
        index = index_name(weights, names)
        _check_digest(root, weights, request)
        return ModelFiles(
            id=path.resolve().name or where,
            source="local",
            root=root,
            weights=tuple(root / name for name in weights),
            companions={name: root / name for name in (*companions, *([index] if index else ()))},
        )

    def cached(self, cache_dir: Path | None = None) -> Iterable[CachedModel]:
        """Nothing: local files belong to the user."""
        return ()

    def delete(self, model: CachedModel) -> int:
        """Refuse: local files belong to the user."""
        raise SourceError(f"{model.path} was not downloaded by mistralrs", "delete it yourself")


def _existing(reference: str) -> Path:
    try:
        path = Path(reference).expanduser()
        if path.is_file() or path.is_dir():
            return path
        siblings = [entry.name for entry in _entries(path.parent)] if path.parent.is_dir() else []
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, a home of nobody
        raise SourceError(f"cannot read the path {shorten(reference)}") from None
    near = get_close_matches(path.name, siblings, n=3)
    raise SourceError(f"no such file or folder: {shown(reference)}", f"near it: {listing(near)}" if near else "")


def _is_inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except PermissionError:
        raise SourceError(f"not allowed to read the folder {folder}") from None


def _tree(root: Path) -> set[str]:
    """Names of the files below ``root``, so that weights in a subfolder can be pointed out."""
    names = set()
    for folder, folders, files in os.walk(root):
        inner = Path(folder).relative_to(root)
        if len(inner.parts) >= MAX_DEPTH:
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]
        names |= {(inner / name).as_posix() for name in files if (root / inner / name).is_file()}
    return names


def _check_digest(root: Path, weights: tuple[str, ...], request: FetchRequest) -> None:
    """Compare with the pinned sha256, if the registry has one for this model."""
    if request.sha256 is None:
        return
    if len(weights) != 1:
        raise SourceError(f"a sha256 is given for {request.reference}, which has {len(weights)} weight files")
    with (root / weights[0]).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != request.sha256.lower():
            raise SourceError(f"{root / weights[0]} does not match its sha256", "it is damaged, or another file")
