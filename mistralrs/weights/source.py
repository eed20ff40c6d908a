"""Where a builder's tensors come from: a checkpoint, a dictionary, or nowhere at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from mistralrs.checkpoint import Checkpoint
from mistralrs.errors import ModelFormatError
from mistralrs.layouts import F32, Layout
from mistralrs.ops import Weight


class TensorSource(Protocol):
    """Answers by the name a model uses, which is the Hugging Face name."""

    def has(self, name: str) -> bool:
        """Whether the tensor exists."""

    def get(self, name: str, shape: tuple[int, ...]) -> Weight:
        """The tensor, in the layout it is stored in. Raises ModelFormatError when missing or of another shape."""


def same_name(name: str) -> str:
    """The renaming of checkpoints that already use the names of the model."""
    return name


class CheckpointSource:
    """An opened file's tensors: views of the mapping, nothing is copied.

    ``rename`` turns the model's names into the file's. ``read`` remembers what was asked for, so that tensors nobody
    wanted can be reported.
    """

    def __init__(self, checkpoint: Checkpoint, rename: Callable[[str], str] = same_name) -> None:
        self.checkpoint = checkpoint
        self.rename = rename
        self.read: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether the file holds the tensor."""
        return self.rename(name) in self.checkpoint.tensors

    def get(self, name: str, shape: tuple[int, ...]) -> Weight:
        """A view of the tensor's bytes with the right dtype and shape."""
        stored = self.rename(name)
        info = self.checkpoint.tensors.get(stored)
        if info is None:
            raise ModelFormatError(f"the checkpoint has no tensor {stored!r}", "the download may be incomplete")
        if not _same_numbers(info.shape, shape):
            raise ModelFormatError(f"tensor {stored!r} has shape {list(info.shape)}, the model needs {list(shape)}")
        self.read.add(stored)
        return _view(self.checkpoint.read(stored), info.layout, shape)

    def unread(self) -> list[str]:
        """Names in the file that were never asked for."""
        return sorted(set(self.checkpoint.tensors) - self.read)


def _same_numbers(stored: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether shapes differ at most by sizes of one before the last, which formats drop or keep as they like."""
    if stored == wanted:
        return True
    return stored[-1:] == wanted[-1:] and [n for n in stored if n != 1] == [n for n in wanted if n != 1]


def _view(raw: memoryview, layout: Layout, shape: tuple[int, ...]) -> Weight:
    if layout.dtype is not None:
        data = torch.frombuffer(raw, dtype=getattr(torch, layout.dtype)) if raw.nbytes else torch.empty(0)
        return Weight(data.view(shape), layout, shape)
    data = torch.frombuffer(raw, dtype=torch.uint8)
    return Weight(data.view(*shape[:-1], layout.row_bytes(shape[-1])), layout, shape)


class DictSource:
    """Tensors held in memory, for tests and conversions."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors
        self.read: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether the dictionary holds the tensor."""
        return name in self.tensors

    def get(self, name: str, shape: tuple[int, ...]) -> Weight:
        """The tensor itself."""
        found = self.tensors.get(name)
        if found is None:
            raise ModelFormatError(f"the checkpoint has no tensor {name!r}")
        if not _same_numbers(tuple(found.shape), shape):
            raise ModelFormatError(f"tensor {name!r} has shape {list(found.shape)}, the model needs {list(shape)}")
        self.read.add(name)
        return Weight.dense(found.view(shape))

    def unread(self) -> list[str]:
        """Names that were never asked for."""
        return sorted(set(self.tensors) - self.read)


class MetaSource:
    """Tensors without memory, of whatever shape is asked: builds a model's shape without its weights.

    ``present`` are a checkpoint's tensors by their names in the file, so that optional ones are built as they would
    be and bytes are counted as stored; without it, optional tensors are absent and all others are float32.
    """

    def __init__(self, present: Mapping[str, Layout] | None = None, rename: Callable[[str], str] = same_name) -> None:
        self.present = present or {}
        self.rename = rename

    def has(self, name: str) -> bool:
        """Whether the tensor would exist."""
        return self.rename(name) in self.present

    def get(self, name: str, shape: tuple[int, ...]) -> Weight:
        """A meta tensor of the stored layout (float32 when unknown)."""
        layout = self.present.get(self.rename(name), F32)
        if layout.dtype is not None:
            return Weight(torch.empty(shape, dtype=getattr(torch, layout.dtype), device="meta"), layout, shape)
        size = (*shape[:-1], layout.row_bytes(shape[-1]))
        return Weight(torch.empty(size, dtype=torch.uint8, device="meta"), layout, shape)
