"""Which of a folder's, repository's or wheel's files make up a model. Every source asks here, so all choose alike.

Names are POSIX paths relative to the model's root. ``where`` is how messages call that root.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from mistralrs.errors import ModelFormatError, SourceError

MAX_NAME_BYTES = 1024
MAX_INDEX_BYTES = 64 * 2**20
LISTED = 12

# Formats that run code when they are loaded. They are never fetched, whatever a pattern says.
PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")

# One file of a split model: llama.cpp's gguf-split writes five digits, large safetensors sets have six.
PART = re.compile(r"(?P<stem>.+)-(?P<part>\d{5,6})-of-(?P<total>\d{5,6})")

# The stem that save_pretrained gives the weights; files beside it are variants of the same model.
STANDARD_STEM = "model"


def check_name(name: str, where: str) -> str:
    """Return ``name`` if it stays below its root; raise :class:`SourceError` if it could name anything else."""
    parts = name.split("/")
    escapes = any(part in ("", ".", "..") for part in parts) or "\\" in name
    if escapes or not name.isprintable() or len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        raise SourceError(f"{where} has a file with an unsafe name: {shorten(name)}", "do not use this model")
    return name


def shorten(name: str, limit: int = 80) -> str:
    """``name`` as a literal that is safe to print, cut to about ``limit`` characters."""
    return ascii(name if len(name) <= limit else name[:limit] + "...")


def shown(name: str) -> str:
    """``name`` as it is if that is harmless to print, else shortened."""
    return name if name.isprintable() and len(name) <= 200 else shorten(name)


def listing(names: Iterable[str]) -> str:
    """A few of ``names`` for a message, and how many more there are."""
    ordered = sorted(names)
    more = f", and {len(ordered) - LISTED} more" if len(ordered) > LISTED else ""
    return ", ".join(map(shown, ordered[:LISTED])) + more


def read_index(path: Path, where: str) -> bytes:
    """The content of a shard index on disk, refused when it is far larger than any real one."""
    if path.stat().st_size > MAX_INDEX_BYTES:
        raise ModelFormatError(f"{path.name} of {where} is larger than {MAX_INDEX_BYTES // 2**20} MiB")
    return path.read_bytes()


def choose_companions(names: Iterable[str], patterns: Collection[str]) -> tuple[str, ...]:
    """The names that match one of the glob ``patterns`` and are no pickles.

    A pattern says how deep it looks: ``*.json`` stays at the root, ``*_Pooling/config.json`` looks one folder down.
    """
    return tuple(
        sorted(
            name
            for name in names
            if not name.lower().endswith(PICKLES)
            and any(name.count("/") == pattern.count("/") and fnmatchcase(name, pattern) for pattern in patterns)
        )
    )


def choose_named(
    names: Collection[str], wanted: Iterable[str], where: str, suffixes: Collection[str] = ()
) -> tuple[str, ...]:
    """The weight files the user named; one part of a split file stands for all parts.

    What has one of ``suffixes`` is no pickle, because the user has said so.

    Raises:
        SourceError: a name that is not there (near matches are listed), a pickle, a missing part.
    """
    chosen: dict[str, None] = {}
    for name in wanted:
        if name not in names:
            near = get_close_matches(name, names, n=3, cutoff=0.5) or [
                other for other in names if PurePosixPath(other).suffix == PurePosixPath(name).suffix
            ]
            raise SourceError(f"{where} has no file {name!r}", f"it has {listing(near or names)}")
        suffix = PurePosixPath(name).suffix
        if name.lower().endswith(PICKLES) and suffix not in suffixes:
            raise pickles_only(where, [name])
        chosen.update(dict.fromkeys(_with_siblings(names, name, suffix, where)))
    return tuple(chosen)


def choose_weights(
    names: Collection[str], suffixes: Iterable[str], read: Callable[[str], bytes], where: str
) -> tuple[str, ...]:
    """The one model among ``names``, when the user named no file.

    For each suffix, best first: the shards an index lists, else the standard name, else the only file or the only
    complete set of parts. Files in subfolders are never chosen unasked.

    Args:
        names: what is there.
        suffixes: of weight files, best first.
        read: returns the content of a small file, asked for the shard index only.
        where: what to call the place in messages.

    Raises:
        SourceError: no weights at all, several candidates, or a part that is missing.
        ModelFormatError: a damaged shard index.
    """
    suffixes = tuple(suffixes)
    for suffix in suffixes:
        found = [name for name in names if "/" not in name and name.lower().endswith(suffix)]
        if not found:
            continue
        standard, index = f"{STANDARD_STEM}{suffix}", f"{STANDARD_STEM}{suffix}.index.json"
        if standard in names:
            return (standard,)
        if index in names:
            return _shards(read(index), index, names, where)
        models = _grouped(found, suffix)
        if len(models) > 1 and STANDARD_STEM not in models:
            raise _several(found, where)
        first = models.get(STANDARD_STEM) or next(iter(models.values()))
        return _with_siblings(names, first[0], suffix, where)
    raise _nothing(names, suffixes, where)


def index_name(weights: Collection[str], names: Collection[str]) -> str | None:
    """The shard index that belongs to ``weights``, if there is one among ``names``."""
    for suffix in {PurePosixPath(name).suffix for name in weights}:
        index = f"{STANDARD_STEM}{suffix}.index.json"
        if len(weights) > 1 and index in names:
            return index
    return None


def pickles_only(where: str, found: Iterable[str]) -> SourceError:
    """The error for weights that could only be loaded by running code."""
    return SourceError(
        f"{where} has its weights as pickle files ({listing(found)}), which can run code when loaded",
        "use a version of the model with .safetensors or .gguf files",
    )


def _grouped(found: Iterable[str], suffix: str) -> Mapping[str, list[str]]:
    """Files by model: the parts of a split file together, every other file on its own."""
    models: dict[str, list[str]] = {}
    for name in sorted(found):
        part = PART.fullmatch(name[: -len(suffix)])
        models.setdefault(part["stem"] if part else name[: -len(suffix)], []).append(name)
    return models


def _with_siblings(names: Collection[str], name: str, suffix: str, where: str) -> tuple[str, ...]:
    """``name``, or all parts of the split file it belongs to, in order."""
    part = PART.fullmatch(name.removesuffix(suffix))
    if part is None:
        return (name,)
    stem, digits, total = part["stem"], len(part["part"]), int(part["total"])
    siblings = []
    for number in range(1, total + 1):
        sibling = f"{stem}-{number:0{digits}d}-of-{part['total']}{suffix}"
        if sibling not in names:
            raise SourceError(f"{where} lacks a part of the model: {sibling}", f"all {total} parts are needed")
        siblings.append(sibling)
    if name not in siblings:
        raise SourceError(f"{where} has a part that cannot exist: {shorten(name)}")
    return tuple(siblings)


def _shards(raw: bytes, index: str, names: Collection[str], where: str) -> tuple[str, ...]:
    """The shard files named by the ``weight_map`` of a safetensors index, all of which must be there."""
    try:
        content: Any = json.loads(raw)
    except (ValueError, RecursionError):
        raise ModelFormatError(f"{index} of {where} is not valid JSON") from None
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelFormatError(f"{index} of {where} has no weight_map")
    if not all(isinstance(shard, str) for shard in weight_map.values()):
        raise ModelFormatError(f"{index} of {where}: a shard in weight_map is not a file name")
    shards = sorted({check_name(shard, f"{index} of {where}") for shard in weight_map.values()})
    for shard in shards:
        if shard not in names:
            raise SourceError(f"{where} lacks the shard {shard!r} that {index} names")
        if shard.lower().endswith(PICKLES):
            raise pickles_only(where, [shard])
    return tuple(shards)


def _several(found: Iterable[str], where: str) -> SourceError:
    return SourceError(f"{where} has several models: {listing(found)}", "choose one with -f FILE")


def _nothing(names: Collection[str], suffixes: tuple[str, ...], where: str) -> SourceError:
    below = [name for name in names if name.lower().endswith(suffixes)]
    if below:
        return SourceError(f"{where} has weights in subfolders only: {listing(below)}", "choose one with -f FILE")
    pickles = [name for name in names if name.lower().endswith(PICKLES)]
    if pickles:
        return pickles_only(where, pickles)
    has = f"it has {listing(names)}" if names else "it is empty"
    return SourceError(f"{where} has no weights ({' or '.join(suffixes)})", has)
