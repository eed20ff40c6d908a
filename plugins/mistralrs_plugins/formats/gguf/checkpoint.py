"""An opened GGUF model: one file, or several parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from mmap import mmap
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mistralrs.checkpoint import ModelFiles, TensorInfo
from mistralrs.checkpoint.mapped import map_file
from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.gguf.header import Header, parse_header
from mistralrs_plugins.formats.gguf.parts import check_parts, part_paths

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ROLES = {
    "bos": "tokenizer.ggml.bos_token_id",
    "eos": "tokenizer.ggml.eos_token_id",
    "eot": "tokenizer.ggml.eot_token_id",
    "unk": "tokenizer.ggml.unknown_token_id",
    "pad": "tokenizer.ggml.padding_token_id",
}
TEMPLATE_KEY = "tokenizer.chat_template"

Place = tuple[mmap, int]


def open_gguf(files: ModelFiles) -> GgufCheckpoint:
    """Open the GGUF file or files of a model.

    Raises :class:`~mistralrs.errors.ModelFormatError` for damaged, inconsistent or incomplete files.
    """
    return GgufCheckpoint(part_paths(files.weights))


class GgufCheckpoint:
    """Implements :class:`mistralrs.checkpoint.Checkpoint` over mapped files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._file = paths[0].name
        maps = [map_file(path) for path in paths]
        headers = [parse_header(data, path.name) for data, path in zip(maps, paths, strict=True)]
        check_parts(paths, headers)
        self._metadata = headers[0].metadata
        self._tensors, self._places = _index(paths, maps, headers)

    @property
    def architecture(self) -> str:
        """``gguf:`` and the value of ``general.architecture``."""
        return f"gguf:{self._text('general.architecture')}"

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The key-value pairs of the (first) file; arrays are lists, decoded when they are asked for."""
        return self._metadata

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by name."""
        return MappingProxyType(self._tensors)

    def read(self, name: str) -> memoryview:
        """The tensor's bytes, writable and private; nothing is copied. Raises KeyError for an unknown name."""
        data, offset = self._places[name]
        return memoryview(data)[offset : offset + self._tensors[name].nbytes]

    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer described by the metadata; None for a file without one."""
        if "tokenizer.ggml.model" not in self._metadata:
            return None
        from mistralrs_plugins.formats.gguf.tokenizer import load_tokenizer

        return load_tokenizer(self._metadata, self._file)

    def special_ids(self) -> Mapping[str, int]:
        """Token ids by role. Raises :class:`~mistralrs.errors.ModelFormatError` for one outside the vocabulary."""
        from mistralrs_plugins.formats.gguf.vocabulary import token_id, vocabulary_size

        size = vocabulary_size(self._metadata, self._file)
        found = {role: token_id(self._metadata, key, size, self._file) for role, key in ROLES.items()}
        return {role: number for role, number in found.items() if number is not None}

    def chat_templates(self) -> Mapping[str, str]:
        """``default`` from ``tokenizer.chat_template``, others from ``tokenizer.chat_template.<name>``."""
        keys = {TEMPLATE_KEY: "default"}
        prefix = f"{TEMPLATE_KEY}."
        keys |= {key: key.removeprefix(prefix) for key in self._metadata if key.startswith(prefix)}
        return {name: self._text(key) for key, name in keys.items() if self._metadata.get(key)}

    def close(self) -> None:
        """Let go of the files; the pages go with the last view of them."""
        self._places = {}

    def _text(self, key: str) -> str:
        value = self._metadata.get(key)
        if not isinstance(value, str) or not value:
            state = "missing" if value is None else "empty or not a text"
            raise ModelFormatError(f"{self._file}: key {key!r} is {state}", "convert the model again")
        return value


def _index(
    paths: Sequence[Path], maps: Sequence[mmap], headers: Sequence[Header]
) -> tuple[dict[str, TensorInfo], dict[str, Place]]:
    """Tensors and places of all parts by name. Raises when two parts hold the same tensor."""
    tensors: dict[str, TensorInfo] = {}
    places: dict[str, Place] = {}
    for path, data, header in zip(paths, maps, headers, strict=True):
        for tensor in header.tensors:
            name = tensor.info.name
            if name in tensors:
                raise ModelFormatError(f"{path.name}: tensor {name!r} is in another part too", "fetch all parts again")
            tensors[name] = tensor.info
            places[name] = (data, tensor.offset)
    return tensors, places
