"""The wire format of protocol buffers, as far as a SentencePiece model uses it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10

Value = int | memoryview


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """The fields of a message in its order: number and value; of a fixed width or a varint the number it spells.

    Raises ValueError for bytes that are no message.
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == BYTES:
            size, position = _varint(message, position)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"field {number} has the wire type {kind}")
        if size > len(message) - position:
            raise ValueError(f"field {number} runs past the end")
        content = message[position : position + size]
        position += size
        yield number, content if kind == BYTES else int.from_bytes(content, "little")


def as_text(value: Value) -> str:
    """A text field. Raises ValueError, for one that is not UTF-8 too."""
    if isinstance(value, int):
        raise ValueError("a number where a text belongs")
    return str(value, "utf-8")


def as_float(value: Value) -> float:
    """A float field. Raises ValueError when it is none."""
    if not isinstance(value, int) or value >= 2**32:
        raise ValueError("something else where a float belongs")
    return float(struct.unpack("<f", value.to_bytes(4, "little"))[0])


def as_int(value: Value) -> int:
    """An int32, enum or bool field. Raises ValueError when it is none."""
    if not isinstance(value, int):
        raise ValueError("bytes where a number belongs")
    return value - 2**64 if value >= 2**63 else value


def as_message(value: Value) -> memoryview:
    """A nested message. Raises ValueError when it is a number."""
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[position : position + MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & (2**64 - 1), position + index + 1
    raise ValueError("a number does not end")
