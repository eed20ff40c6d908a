"""An opened checkpoint: names, shapes and layouts are known, the tensors' bytes are still in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.layouts import Layout


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a checkpoint. ``shape`` is in row-major order, outermost first, as torch has it."""

    name: str
    shape: tuple[int, ...]
    layout: Layout

    @property
    def nbytes(self) -> int:
        """Bytes the tensor takes in the file."""
        return self.layout.nbytes(self.shape)


class Checkpoint(Protocol):
    """What a format plugin's opener returns. Opening checks the header against the file; reading cannot run out."""

    @property
    def architecture(self) -> str:
        """Key of the architecture plugin: a Hugging Face class name, or ``gguf:<name>``."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The file's own description: config.json, or the GGUF key-value pairs."""

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by its name in the file."""

    def read(self, name: str) -> memoryview:
        """The tensor's raw little-endian bytes: a writable private view of the mapped file, nothing copied."""

    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer embedded in the file, if the format carries one."""

    def special_ids(self) -> Mapping[str, int]:
        """Token ids by role the file states: any of ``bos``, ``eos``, ``eot``, ``unk``, ``pad``."""

    def chat_templates(self) -> Mapping[str, str]:
        """Jinja templates embedded in the file by name; the plain one is called ``default``."""

    def close(self) -> None:
        """Unmap the file. Views handed out before keep their pages until they are dropped."""
