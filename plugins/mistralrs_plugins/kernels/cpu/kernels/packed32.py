"""Packed blocks of 32 weights: Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0. The interface is described in :mod:`.packed`.

Byte ``i`` of a block's nibbles holds value ``i`` in its lower and value ``i + 16`` in its upper half. The fifth bits of
Q5_0 and Q5_1 come in an order of their own, see :func:`.pack.fifth_bits`.
"""

from __future__ import annotations

from typing import Any

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import even_bytes, odd_bytes, shorts, shorts_up
from mistralrs_plugins.kernels.cpu.jit.memory import load_b8x32, load_f16x8
from mistralrs_plugins.kernels.cpu.kernels.layout import PackedLayout


@inline
def _one_factor(p: Any) -> Any:
    return (load_f16x8(p),)


@inline
def _two_factors(p: Any) -> Any:
    return (load_f16x8(p), load_f16x8(p + 16))


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


Q4_0 = PackedLayout(18, 32, 32, -8, _one_factor, _q4_0, _first, None)
Q4_1 = PackedLayout(20, 32, 32, 0, _two_factors, _q4_1, _first, _second)
Q5_0 = PackedLayout(22, 32, 32, -16, _one_factor, _q5_0, _first, None)
Q5_1 = PackedLayout(24, 32, 32, 0, _two_factors, _q5_1, _first, _second)
Q8_0 = PackedLayout(34, 32, 32, 0, _one_factor, _q8_0, _first, None)
