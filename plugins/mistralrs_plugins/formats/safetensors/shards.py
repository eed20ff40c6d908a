"""Which files make up a model: the given ones, or those that ``*.safetensors.index.json`` lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mistralrs.checkpoint import ModelFiles
from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.safetensors.strictjson import read_object

INDEX_SUFFIX = ".safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Shards:
    """The files of a model, and by the index's word the file name of every tensor (empty without an index)."""

    paths: tuple[Path, ...]
    index: str = ""
    weight_map: Mapping[str, str] = field(default_factory=dict)


def find_shards(files: ModelFiles) -> Shards:
    """The files to open: those of the index that lists all given ones, else the given ones.

    Raises :class:`~mistralrs.errors.ModelFormatError` for an index that names a missing file or one outside its folder.
    """
    if not files.weights:
        raise ModelFormatError("no safetensors file was given", "name a .safetensors file")
    given = {path.name: path for path in files.weights}
    for name, path in sorted(files.companions.items()):
        if name.endswith(INDEX_SUFFIX):
            weight_map = _read_weight_map(path)
            listed = sorted(set(weight_map.values()))
            if given.keys() <= set(listed):
                paths = tuple(_shard_path(path, shard, given) for shard in listed)
                return Shards(paths, name, weight_map)
    return Shards(files.weights)


def _read_weight_map(path: Path) -> dict[str, str]:
    found: Any = read_object(path).get("weight_map")
    if not isinstance(found, dict) or not all(isinstance(shard, str) for shard in found.values()):
        raise ModelFormatError(f"{path.name}: key 'weight_map' is no map of tensors to files", "fetch the file again")
    for shard in set(found.values()):
        if not _is_plain(shard):
            raise ModelFormatError(
                f"{path.name}: {shard[:80]!r} is no plain file name", "do not trust this model: it points elsewhere"
            )
    return found


def _is_plain(name: str) -> bool:
    return name.isprintable() and "\\" not in name and PurePosixPath(name).name == name and name not in ("", "..")


def _shard_path(index: Path, shard: str, given: Mapping[str, Path]) -> Path:
    path = given.get(shard, index.parent / shard)
    if not path.is_file():
        raise ModelFormatError(f"{shard}: this shard of the model is missing", f"put it into {index.parent}")
    target = path.resolve()
    if not any(target.is_relative_to(folder) for folder in _allowed_folders(index)):
        raise ModelFormatError(
            f"{shard}: this shard is a link to a file outside the model's folder", "do not trust this model, or copy it"
        )
    return path


def _allowed_folders(index: Path) -> tuple[Path, ...]:
    """The model's folder; and in Hugging Face's cache, whose snapshots are links, the folder of their contents."""
    folder = index.parent.resolve()
    if folder.parent.name == "snapshots":
        return folder, folder.parent.parent / "blobs"
    return (folder,)
