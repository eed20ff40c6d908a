"""Packed blocks of 32 weights: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and MXFP4. The interface is described in :mod:`.packed`.

Byte ``i`` of a block's nibbles holds value ``i`` in its lower and value ``i + 16`` in its upper half. The fifth bits of
Q5_0 and Q5_1 come in an order of their own, see :func:`.packed.fifth_bits`.
"""

from __future__ import annotations

from typing import Any

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import bits, even_bytes, lowered, odd_bytes, shorts, shorts_up, zeros_i32
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_b8x32,
    load_f16x8,
    load_half_of_e8m0x8,
    load_pair_everywhere,
)
from mistralrs_plugins.kernels.cpu.jit.vocabulary import dot_pairs
from mistralrs_plugins.kernels.cpu.kernels.layout import PackedLayout
from mistralrs_plugins.kernels.cpu.kernels.microscaling import twice_e2m1


@inline
def _one_factor(p: Any) -> Any:
    return (load_f16x8(p),)


@inline
def _two_factors(p: Any) -> Any:
    return (load_f16x8(p), load_f16x8(p + 16))


@inline
def _exponent(p: Any) -> Any:
    return (load_half_of_e8m0x8(p),)


@inline
def _first(p: Any, h: Any, g: Any) -> Any:
    return h[0]


@inline
def _second(p: Any, h: Any, g: Any) -> Any:
    return h[1]


@inline
def _nibbles(words: Any, i: Any) -> Any:
    packed, shift = load_b8x32(words + 32 * (i & 3)), 4 * (i >> 2)
    return shorts(packed, shift, 15), shorts(packed, shift + 8, 15)


@inline
def _five_bits(words: Any, i: Any) -> Any:
    even, odd = _nibbles(words + 32, i)
    fifth = load_b8x32(words)
    return even | shorts_up(shorts(fifth, i, 1), 4), odd | shorts_up(shorts(fifth, i + 8, 1), 4)


@inline
def _q4_0(p: Any, j: Any, i: Any) -> Any:
    return _nibbles(p + 16, i)


@inline
def _q4_1(p: Any, j: Any, i: Any) -> Any:
    return _nibbles(p + 32, i)


@inline
def _q5_0(p: Any, j: Any, i: Any) -> Any:
    return _five_bits(p + 16, i)


@inline
def _q5_1(p: Any, j: Any, i: Any) -> Any:
    return _five_bits(p + 32, i)


@inline
def _q8_0(p: Any, j: Any, i: Any) -> Any:
    packed = load_b8x32(p + 16 + 32 * i)
    return even_bytes(packed), odd_bytes(packed)


@inline
def _bytes_mxfp4(p: Any, i: Any) -> Any:
    return twice_e2m1(bits(load_b8x32(p + 8 + 32 * (i & 3)), 4 * (i >> 2), 15))


@inline
def _mxfp4(p: Any, j: Any, i: Any) -> Any:
    values = _bytes_mxfp4(p, i)
    return even_bytes(values), odd_bytes(values)


@inline
def _dots_mxfp4(p: Any, k: Any, x: Any) -> Any:
    """Values are multiplied as upper bytes, 256 times too large; 16 products, of 12 at most, still sum to 31 bits."""
    even = odd = zeros_i32()
    for i in range(8):
        values = _bytes_mxfp4(p, i)
        even += dot_pairs(shorts_up(shorts(values, 0, 255), 8), load_pair_everywhere(x + 8 * i))
        odd += dot_pairs(shorts(values, 0, 255 << 8), load_pair_everywhere(x + 8 * i + 4))
    return lowered(even, 8), lowered(odd, 8)


Q4_0 = PackedLayout(18, 32, 32, -8, _one_factor, _q4_0, _first, None)
Q4_1 = PackedLayout(20, 32, 32, 0, _two_factors, _q4_1, _first, _second)
Q5_0 = PackedLayout(22, 32, 32, -16, _one_factor, _q5_0, _first, None)
Q5_1 = PackedLayout(24, 32, 32, 0, _two_factors, _q5_1, _first, _second)
Q8_0 = PackedLayout(34, 32, 32, 0, _one_factor, _q8_0, _first, None)
MXFP4 = PackedLayout(17, 32, 32, 0, _exponent, _mxfp4, _first, None, dots=_dots_mxfp4)
