"""Elementary functions on eight floats at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    larger,
    power_of_two,
    round_to_int,
    smaller,
    splat,
    to_float,
)

_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(0.693359375)  # few enough bits that its product with a small integer is exact
_LN2_LOW = np.float32(-2.12194440e-4)


@inline
def exp(x: Any) -> Any:
    """e to the x, to two units in the last place: ``2^n * e^r`` with ``|r| <= ln(2) / 2`` and a polynomial for ``e^r``
    (coefficients of Cephes' expf). Below -87 it is about 1e-38, above 88 about 1e38; NaN stays NaN."""
    x = smaller(splat(np.float32(88)), larger(splat(np.float32(-87)), x))
    n = round_to_int(x * splat(_LOG2_E))
    whole = to_float(n)
    r = (x - whole * splat(_LN2_HIGH)) - whole * splat(_LN2_LOW)
    p = splat(np.float32(1.9875691500e-4)) * r + splat(np.float32(1.3981999507e-3))
    p = p * r + splat(np.float32(8.3334519073e-3))
    p = p * r + splat(np.float32(4.1665795894e-2))
    p = p * r + splat(np.float32(1.6666665459e-1))
    p = p * r + splat(np.float32(5.0000001201e-1))
    p = p * r * r + r + splat(np.float32(1))
    return p * power_of_two(n)


@inline
def tanh(x: Any) -> Any:
    """Hyperbolic tangent, to about 1e-7: ``1 - 2 / (1 + e^(2x))``."""
    one = splat(np.float32(1))
    return one - splat(np.float32(2)) / (one + exp(x + x))


@inline
def silu(x: Any) -> Any:
    """``x / (1 + e^-x)``."""
    return x / (splat(np.float32(1)) + exp(splat(np.float32(0)) - x))


@inline
def gelu_tanh(x: Any) -> Any:
    """``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`` (Hendrycks and Gimpel 2016, arXiv 1606.08415)."""
    inner = splat(np.float32(0.7978845608028654)) * (x + splat(np.float32(0.044715)) * x * x * x)
    return splat(np.float32(0.5)) * x * (splat(np.float32(1)) + tanh(inner))
