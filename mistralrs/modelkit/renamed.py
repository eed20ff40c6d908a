"""A checkpoint under the names that models use. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mistralrs.checkpoint import Checkpoint, TensorInfo
from mistralrs.errors import ModelFormatError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class RenamedCheckpoint:
    """Implements :class:`mistralrs.checkpoint.Checkpoint` over another one.

    ``rename`` turns a name in the file into the model's, or into None for a tensor that is not to be seen. Raises
    :class:`~mistralrs.errors.ModelFormatError` when two tensors would have one name.
    """

    inner: Checkpoint
    rename: Callable[[str], str | None]
    architecture: str
    metadata: Mapping[str, Any]
    special: Mapping[str, int] | None = None
    _stored: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for stored in self.inner.tensors:
            name = self.rename(stored)
            if name is None:
                continue
            if name in self._stored:
                raise ModelFormatError(f"tensors {self._stored[name][:80]!r} and {stored[:80]!r} are one and the same")
            self._stored[name] = stored

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by the model's name for it."""
        infos = self.inner.tensors
        return MappingProxyType({name: replace(infos[stored], name=name) for name, stored in self._stored.items()})

    def read(self, name: str) -> memoryview:
        """The tensor's bytes, as the file has them."""
        return self.inner.read(self._stored[name])

    def tokenizer(self) -> Tokenizer | None:
        """The file's own tokenizer."""
        return self.inner.tokenizer()

    def special_ids(self) -> Mapping[str, int]:
        """``special`` if given, else the file's own."""
        return self.inner.special_ids() if self.special is None else self.special

    def chat_templates(self) -> Mapping[str, str]:
        """The file's own templates."""
        return self.inner.chat_templates()

    def close(self) -> None:
        """Close the file."""
        self.inner.close()
