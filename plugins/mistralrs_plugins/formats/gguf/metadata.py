"""The key-value pairs of a GGUF header. A vocabulary's arrays make up most of one, so they are decoded on demand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mistralrs_plugins.formats.gguf.codes import ARRAY, SCALARS, STRING
from mistralrs_plugins.formats.gguf.cursor import Cursor

ARRAY_HEAD = 4 + 8  # the type of the elements, and how many there are


@dataclass(frozen=True, slots=True)
class StoredValue:
    """Where a value lies: bytes ``start`` to ``end`` of the file. An array has a ``count`` of elements of ``kind``."""

    kind: int
    start: int
    end: int
    count: int | None = None


class Metadata(Mapping[str, Any]):
    """Values by key; arrays are lists. The extent of every value was checked when the header was read.

    Asking for an array may raise :class:`~mistralrs.errors.ModelFormatError`: its strings may not be UTF-8.
    """

    def __init__(self, cursor: Cursor) -> None:
        self._source = (cursor.data, cursor.file)
        self._places: dict[str, StoredValue] = {}
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            self._values[key] = self._decode(key, self._places[key])
        return self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def place(self, key: str) -> StoredValue | None:
        """Where the value of ``key`` lies; None if there is no such key."""
        return self._places.get(key)

    def raw(self, key: str) -> bytes:
        """The bytes of a value as they are in the file."""
        place = self._places[key]
        return bytes(self._source[0][place.start : place.end])

    def read(self, key: str, cursor: Cursor) -> None:
        """Read the type and the value of ``key``, where the cursor stands."""
        kind, start = cursor.uint32(), cursor.position
        if kind == ARRAY:
            element, count = _skip_array(cursor)
            self._places[key] = StoredValue(element, start, cursor.position, count)
            return
        if kind == STRING:
            self._values[key] = cursor.string()
        elif kind in SCALARS:
            self._values[key] = cursor.numbers(kind, 1)[0]
        else:
            cursor.fail(f"{kind_name(kind)} is no value type of GGUF")
        self._places[key] = StoredValue(kind, start, cursor.position)

    def _decode(self, key: str, place: StoredValue) -> list[Any]:
        cursor = Cursor(*self._source)
        cursor.subject = f"key {key!r}"
        cursor.skip(place.start + ARRAY_HEAD)
        count = place.count or 0
        return list(cursor.strings(count) if place.kind == STRING else cursor.numbers(place.kind, count))


def _skip_array(cursor: Cursor) -> tuple[int, int]:
    """Step over an array; the type and number of its elements."""
    kind, count = cursor.uint32(), cursor.uint64()
    if kind == STRING:
        cursor.skip_strings(count)
    elif kind == ARRAY:
        cursor.fail("arrays of arrays are not supported")
    elif kind in SCALARS:
        cursor.skip_numbers(kind, count)
    else:
        cursor.fail(f"{kind_name(kind)} is no element type of GGUF")
    return kind, count


def kind_name(kind: int) -> str:
    """A value type in words."""
    named = {STRING: "string", ARRAY: "array", **{number: name for number, (name, _) in SCALARS.items()}}
    return named.get(kind, f"type {kind}")
