"""The numbers by which ggml's files name what a tensor is stored as (``enum ggml_type`` in ggml.h)."""

from __future__ import annotations

from collections.abc import Iterable

from mistralrs.layouts.table import (
    BF16,
    F16,
    F32,
    MXFP4,
    Q2_K,
    Q3_K,
    Q4_0,
    Q4_1,
    Q4_K,
    Q5_0,
    Q5_1,
    Q5_K,
    Q6_K,
    Q8_0,
)

GGML_LAYOUTS = {
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

_UNSUPPORTED = {
    4: "Q4_2",
    5: "Q4_3",
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


def ggml_refusal(kind: int, supported: Iterable[int]) -> tuple[str, str]:
    """Message and hint for a tensor stored as ``kind`` where only the ``supported`` ones of the layouts can be read."""
    known = ", ".join(GGML_LAYOUTS[each].name.upper() for each in supported)
    return f"stored as {_UNSUPPORTED.get(kind, f'type {kind}')}, which is not supported", f"supported: {known}"
