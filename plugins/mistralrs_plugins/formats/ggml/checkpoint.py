"""An opened LLaMA file from before GGUF."""

from __future__ import annotations

from collections.abc import Mapping
from mmap import mmap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mistralrs.checkpoint import Checkpoint, ModelFiles, TensorInfo
from mistralrs.checkpoint.mapped import map_file
from mistralrs.errors import ModelFormatError
from mistralrs.modelkit.meta_names import from_meta
from mistralrs.modelkit.renamed import RenamedCheckpoint
from mistralrs_plugins.formats.ggml.header import HINT, Header, parse

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ARCHITECTURE = "LlamaForCausalLM"
KEY, GATE = "layers.0.attention.wk.weight", "layers.0.feed_forward.w1.weight"
EMBEDDING = "tok_embeddings.weight"
# The files do not say; these are what llama.cpp took at the time, the first between those of LLaMA 1 and 2.
NORM_EPS, CONTEXT, ROPE_BASE = 5e-6, 2048, 10_000.0


def open_ggml(files: ModelFiles) -> Checkpoint:
    """Open the file of a model, under the names of Hugging Face.

    Raises :class:`~mistralrs.errors.ModelFormatError` for damaged files and those of other models or versions.
    """
    if len(files.weights) != 1:
        raise ModelFormatError(f"{files.id}: {len(files.weights)} files are given, but a ggml model is one")
    path = files.weights[0]
    data = map_file(path)
    inner = GgmlCheckpoint(data, parse(data, path.name), path.name)
    return RenamedCheckpoint(inner, from_meta, ARCHITECTURE, inner.metadata)


class GgmlCheckpoint:
    """Implements :class:`mistralrs.checkpoint.Checkpoint` over a mapped file, with the names in it."""

    architecture = ARCHITECTURE

    def __init__(self, data: mmap, header: Header, file: str) -> None:
        self._data: mmap | None = data
        self._header = header
        self._file = file
        self.metadata: Mapping[str, Any] = MappingProxyType(self._config())

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by name."""
        return MappingProxyType(self._header.tensors)

    def read(self, name: str) -> memoryview:
        """The tensor's bytes, writable and private; nothing is copied. Raises KeyError for an unknown name."""
        offset = self._header.offsets[name]
        if self._data is None:
            raise ModelFormatError(f"{self._file}: the file is closed")
        return memoryview(self._data)[offset : offset + self.tensors[name].nbytes]

    def tokenizer(self) -> Tokenizer | None:
        """The file's own vocabulary, None where it has no scores."""
        from mistralrs_plugins.formats.ggml.vocabulary import build_tokenizer

        return build_tokenizer(self._header, self._file) if self._header.scores else None

    def special_ids(self) -> Mapping[str, int]:
        """Those of every LLaMA vocabulary."""
        return {"unk": 0, "bos": 1, "eos": 2} if len(self._header.tokens) > 2 else {}

    def chat_templates(self) -> Mapping[str, str]:
        """None: the format is older than they are."""
        return {}

    def close(self) -> None:
        """Let go of the file; the pages go with the last view of them."""
        self._data = None

    def _config(self) -> dict[str, Any]:
        """A config.json's worth of fields; what the header leaves out, the shapes of the first layer tell."""
        header = self._header
        head = header.width // header.heads
        keys, inner, vocabulary = (self._rows(name) for name in (KEY, GATE, EMBEDDING))
        if keys % head:
            raise ModelFormatError(f"{self._file}: tensor {KEY!r}: {keys} rows are no heads of {head}", HINT)
        return {
            "architectures": [ARCHITECTURE],
            "vocab_size": vocabulary,
            "hidden_size": header.width,
            "intermediate_size": inner,
            "num_hidden_layers": header.layers,
            "num_attention_heads": header.heads,
            "num_key_value_heads": keys // head,
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": NORM_EPS,
            "rope_theta": ROPE_BASE,
            "rope_style": "adjacent",
        }

    def _rows(self, name: str) -> int:
        info = self.tensors.get(name)
        if info is None or len(info.shape) != 2:
            raise ModelFormatError(f"{self._file}: there is no two-dimensional tensor {name!r}", HINT)
        return info.shape[0]
