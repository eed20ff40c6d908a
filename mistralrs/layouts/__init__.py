"""How weights lie in memory: plain floats, or blocks of quantized values with their scales.

Formats, quantizations and kernels share these records. A layout names its torch decoder by reference, so that the
table itself stays free of torch and a file's header can be checked before torch is imported.
"""

from __future__ import annotations

from mistralrs.layouts.layout import Layout
from mistralrs.layouts.table import (
    BF16,
    F16,
    F32,
    LAYOUTS,
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
    U8,
)

__all__ = [
    "BF16",
    "F16",
    "F32",
    "LAYOUTS",
    "MXFP4",
    "Q2_K",
    "Q3_K",
    "Q4_0",
    "Q4_1",
    "Q4_K",
    "Q5_0",
    "Q5_1",
    "Q5_K",
    "Q6_K",
    "Q8_0",
    "U8",
    "Layout",
]
