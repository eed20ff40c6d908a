"""A model's files without weights: what template and tokenizer loading look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from mistralrs.checkpoint import ModelFiles, TensorInfo


def small_tokenizer() -> Tokenizer:
    return Tokenizer(WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2, "hello": 3}, unk_token="<unk>"))


@dataclass
class BareCheckpoint:
    """A checkpoint that has no tensors."""

    templates: dict[str, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    embedded: Tokenizer | None = None
    architecture: str = "gguf:llama"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, TensorInfo] = field(default_factory=dict)

    def read(self, name: str) -> memoryview:
        raise KeyError(name)

    def tokenizer(self) -> Tokenizer | None:
        return self.embedded

    def special_ids(self) -> Mapping[str, int]:
        return self.ids

    def chat_templates(self) -> Mapping[str, str]:
        return self.templates

    def close(self) -> None:
        pass


def files_in(folder: Path) -> ModelFiles:
    companions = {path.name: path for path in folder.iterdir()}
    return ModelFiles(id="tiny", source="file", root=folder, weights=(), companions=companions)
