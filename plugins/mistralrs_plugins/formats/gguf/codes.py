"""The numbers GGUF writes for value types (gguf.h)."""

from __future__ import annotations

from struct import Struct

UINT32_KIND, BOOL, STRING, ARRAY = 4, 7, 8, 9

# Value types of fixed size: name, and the letter of the struct and array modules.
SCALARS: dict[int, tuple[str, str]] = {
    0: ("uint8", "B"),
    1: ("int8", "b"),
    2: ("uint16", "H"),
    3: ("int16", "h"),
    UINT32_KIND: ("uint32", "I"),
    5: ("int32", "i"),
    6: ("float32", "f"),
    BOOL: ("bool", "?"),
    10: ("uint64", "Q"),
    11: ("int64", "q"),
    12: ("float64", "d"),
}

UINT32 = Struct("<I")
UINT64 = Struct("<Q")
