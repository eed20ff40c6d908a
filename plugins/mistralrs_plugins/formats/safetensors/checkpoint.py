"""An opened safetensors model: one file or several shards, and its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from mmap import mmap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mistralrs.checkpoint import Checkpoint, ModelFiles, TensorInfo
from mistralrs.checkpoint.mapped import map_file
from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.safetensors.consolidated import PARAMS, consolidated, is_consolidated
from mistralrs_plugins.formats.safetensors.header import FLOATS, parse_header
from mistralrs_plugins.formats.safetensors.shards import Shards, find_shards
from mistralrs_plugins.formats.safetensors.strictjson import read_object

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONFIG = "config.json"
ROLES = {"bos": "bos_token_id", "eos": "eos_token_id", "pad": "pad_token_id"}


def open_safetensors(files: ModelFiles) -> Checkpoint:
    """Open the safetensors file or shards of a model. Code that config.json may point at (``auto_map``) is never run.

    Raises :class:`~mistralrs.errors.ModelFormatError` for damaged, inconsistent or incomplete files.
    """
    if is_consolidated(files):
        params = files.companions[PARAMS]
        return consolidated(SafetensorsCheckpoint(find_shards(files), read_object(params)), params)
    if CONFIG not in files.companions:
        raise ModelFormatError(f"{files.id}: {CONFIG} is missing", "put it beside the weights")
    return SafetensorsCheckpoint(find_shards(files), read_object(files.companions[CONFIG]))


class SafetensorsCheckpoint:
    """Implements :class:`mistralrs.checkpoint.Checkpoint` over mapped files."""

    def __init__(self, shards: Shards, config: dict[str, Any]) -> None:
        self._config = config
        self._tensors: dict[str, TensorInfo] = {}
        self._places: dict[str, tuple[mmap, int]] = {}
        owners: dict[str, str] = {}
        for path in shards.paths:
            data = map_file(path)
            for tensor in parse_header(data, path.name):
                name = tensor.info.name
                if name in owners:
                    raise ModelFormatError(
                        f"{path.name}: tensor {name[:80]!r} is in {owners[name]} too", "name only one of the files"
                    )
                owners[name] = path.name
                self._tensors[name] = tensor.info
                self._places[name] = (data, tensor.offset)
        for name, shard in shards.weight_map.items():
            if owners.get(name) != shard:
                raise ModelFormatError(
                    f"{shard}: tensor {name[:80]!r} is not in it, though {shards.index} says so",
                    "fetch the files again",
                )

    @property
    def architecture(self) -> str:
        """The class name in config.json."""
        found = self._config.get("architectures")
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], str) or not found[0]:
            raise ModelFormatError(
                f"{CONFIG}: key 'architectures' must name exactly one architecture", "name one with --arch"
            )
        return found[0]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """config.json."""
        return MappingProxyType(self._config)

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by name."""
        return MappingProxyType(self._tensors)

    def read(self, name: str) -> memoryview:
        """The tensor's bytes, writable and private; nothing is copied.

        Raises KeyError for an unknown name, :class:`~mistralrs.errors.ModelFormatError` for a type that is no weight's.
        """
        info = self._tensors[name]
        if info.layout.dtype is None:
            raise ModelFormatError(
                f"tensor {name[:80]!r} is stored as {info.layout.name.upper()}, which is not supported",
                f"supported: {', '.join(FLOATS)}",
            )
        data, offset = self._places[name]
        return memoryview(data)[offset : offset + info.nbytes]

    def tokenizer(self) -> Tokenizer | None:
        """None: the tokenizer is a companion file."""
        return None

    def special_ids(self) -> Mapping[str, int]:
        """Token ids by role from config.json; of several end tokens the first."""
        found = {role: self._config.get(key) for role, key in ROLES.items()}
        first = {role: value[0] if isinstance(value, list) and value else value for role, value in found.items()}
        return {role: value for role, value in first.items() if type(value) is int and value >= 0}

    def chat_templates(self) -> Mapping[str, str]:
        """None here: templates are companion files."""
        return {}

    def close(self) -> None:
        """Let go of the files; the pages go with the last view of them."""
        self._places = {}
