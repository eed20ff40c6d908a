"""The numbers GGUF writes for value types and tensor types (ggml.h, gguf.h)."""

from __future__ import annotations

from struct import Struct

from mistralrs.layouts import BF16, F16, F32, MXFP4, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0

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

LAYOUTS = {
    0: F32,
    1: F16,
    2: Q4_0,
    3: Q4_1,
    6: Q5_0,
    7: Q5_1,
    8: Q8_0,
    10: Q2_K,
    11: Q3_K,
    12: Q4_K,
    13: Q5_K,
    14: Q6_K,
    30: BF16,
    39: MXFP4,
}

# Types with a name but without a layout here, so that a message can say what a file wants.
UNSUPPORTED = {
    9: "Q8_1",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    40: "NVFP4",
    41: "Q1_0",
}
