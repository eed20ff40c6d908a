"""Elementary functions on eight floats at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    larger,
    magnitude,
    power_of_two,
    round_to_int,
    smaller,
    splat,
    to_float,
)
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32

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


@inline
def sigmoid(x: Any) -> Any:
    """``1 / (1 + e^-x)``."""
    one = splat(np.float32(1))
    return one / (one + exp(splat(np.float32(0)) - x))


@inline
def quick_gelu(x: Any) -> Any:
    """``x * sigmoid(1.702 x)``."""
    return x * sigmoid(splat(np.float32(1.702)) * x)


@inline
def relu(x: Any) -> Any:
    """``max(x, 0)``; NaN stays NaN."""
    return larger(splat(np.float32(0)), x)


@inline
def relu2(x: Any) -> Any:
    """``max(x, 0)`` squared."""
    y = relu(x)
    return y * y


@inline
def gelu(x: Any) -> Any:
    """``x / 2 * (1 + erf(x / sqrt(2)))``, the error function of ``|x|`` to 1.5e-7 (Abramowitz and Stegun 7.1.26)."""
    one, size = splat(np.float32(1)), magnitude(x)
    y = size * splat(np.float32(0.7071067811865476))
    t = one / (one + splat(np.float32(0.3275911)) * y)
    p = splat(np.float32(1.061405429)) * t + splat(np.float32(-1.453152027))
    p = p * t + splat(np.float32(1.421413741))
    p = p * t + splat(np.float32(-0.284496736))
    p = p * t + splat(np.float32(0.254829592))
    erf = one - p * t * exp(splat(np.float32(0)) - y * y)
    return splat(np.float32(0.5)) * (x + size * erf)


@inline
def _clamped_swiglu(gate: Any, up: Any) -> Any:
    """GPT-OSS's: both sides are clamped to 7, and the linear one starts from one (model card, arXiv 2508.10925)."""
    limit = splat(np.float32(7))
    gate, up = smaller(limit, gate), larger(splat(np.float32(-7)), smaller(limit, up))
    return (up + splat(np.float32(1))) * gate * sigmoid(splat(np.float32(1.702)) * gate)


@inline
def _scale(x: Any, numbers: Any) -> Any:
    return x * splat(load_f32(numbers))


@inline
def _clamp(x: Any, numbers: Any) -> Any:
    limit = load_f32(numbers)
    return larger(splat(-limit), smaller(splat(limit), x))


@inline
def _softcap(x: Any, numbers: Any) -> Any:
    """``cap * tanh(x / cap)``."""
    cap = splat(load_f32(numbers))
    return cap * tanh(x / cap)


@inline
def _xielu(x: Any, numbers: Any) -> Any:
    """Quadratic above zero, an integrated ELU below (Huang and Schlag 2024, arXiv 2411.13010)."""
    zero, one, eps = splat(np.float32(0)), splat(np.float32(1)), splat(load_f32(numbers + 24))
    above = larger(zero, x)
    is_below = one - smaller(one, above * splat(np.float32(1e38)))  # 1 or 0
    curve = (exp(smaller(eps, x)) - one - x) * is_below
    squared = splat(load_f32(numbers)) * above * above
    return squared + splat(load_f32(numbers + 8)) * curve + splat(load_f32(numbers + 16)) * x


@inline
def _sum(x: Any, y: Any) -> Any:
    return x + y


@inline
def _product(x: Any, y: Any) -> Any:
    return x * y


ALONE = {
    "silu": silu,
    "gelu": gelu,
    "gelu_pytorch_tanh": gelu_tanh,
    "quick_gelu": quick_gelu,
    "relu": relu,
    "relu2": relu2,
    "sigmoid": sigmoid,
    "tanh": tanh,
}
"""Activations by the names that layers know them by."""

BINARY = {"add": _sum, "multiply": _product}
"""Of two vectors or two numbers."""

_NUMBERED = {"scale": _scale, "clamp": _clamp, "softcap": _softcap, "xielu": _xielu}


def unary(name: str) -> Any:
    """``f(x, numbers)``, where ``numbers`` is the address of a word for each number that the function has."""
    if name in _NUMBERED:
        return _NUMBERED[name]
    function = ALONE[name]

    @inline
    def plain(x: Any, numbers: Any) -> Any:
        return function(x)

    return plain


def gate(name: str) -> Any:
    """``f(gate, up)``."""
    if name == "clamped_swiglu":
        return _clamped_swiglu
    function = ALONE[name]

    @inline
    def gated(gate: Any, up: Any) -> Any:
        return function(gate) * up

    return gated
