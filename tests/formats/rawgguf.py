"""GGUF files made field by field, so that every field can be wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mistralrs_plugins.formats.gguf.checkpoint import GgufCheckpoint

OpenGguf = Callable[..., GgufCheckpoint]

UINT8, INT8, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64 = 0, 1, 4, 5, 6, 7, 8, 9, 10
LETTERS = {UINT8: "B", INT8: "b", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?", UINT64: "Q"}
F32, F16, Q4_1, Q8_0, IQ4_XS = 0, 1, 3, 8, 23


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def scalar(kind: int, value: Any) -> bytes:
    return text(value) if kind == STRING else struct.pack("<" + LETTERS[kind], value)


def array(kind: int, values: Sequence[Any], count: int | None = None) -> bytes:
    head = struct.pack("<IQ", kind, len(values) if count is None else count)
    return head + b"".join(scalar(kind, value) for value in values)


def pair(key: str | bytes, kind: int, value: Any) -> bytes:
    """One metadata pair; ``value`` is packed unless it is bytes already."""
    return text(key) + struct.pack("<I", kind) + (value if isinstance(value, bytes) else scalar(kind, value))


@dataclass
class RawTensor:
    name: str | bytes
    dims: Sequence[int]
    kind: int = F32
    offset: int = 0
    rank: int | None = None

    def described(self) -> bytes:
        rank = len(self.dims) if self.rank is None else self.rank
        sizes = b"".join(struct.pack("<Q", size % 2**64) for size in self.dims)
        return text(self.name) + struct.pack("<I", rank) + sizes + struct.pack("<IQ", self.kind, self.offset)


ARCHITECTURE = pair("general.architecture", STRING, "llama")


def gguf(
    pairs: Sequence[bytes] = (ARCHITECTURE,),
    tensors: Sequence[RawTensor] = (),
    data: bytes = b"",
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    pair_count: int | None = None,
    tensor_count: int | None = None,
    alignment: int = 32,
    order: str = "<",
) -> bytes:
    """A whole file; counts are the real ones unless given."""
    counts = (
        len(tensors) if tensor_count is None else tensor_count,
        len(pairs) if pair_count is None else pair_count,
    )
    header = magic + struct.pack(f"{order}IQQ", version, *counts)
    header += b"".join(pairs) + b"".join(tensor.described() for tensor in tensors)
    return header + b"\0" * (-len(header) % alignment) + data
