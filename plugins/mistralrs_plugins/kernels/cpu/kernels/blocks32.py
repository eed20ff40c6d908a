"""Blocks of 32 weights: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and MXFP4 (ggml-common.h).

What all block layouts of this project say about themselves, here and in :mod:`.kquants`:

``open_block(p)``        what is read once a block, as a tuple
``values(p, j)``         the ``j``-th 32 integers of the block at ``p``: bytes, unsigned where there is a minimum
``scale(p, h, g)``       the factor of group ``g``
``minimum(p, h, g)``     what is added to every value of group ``g`` after scaling

so that ``weight = scale * value + minimum``. Types whose values are signed integers in the file but whose bits are
unsigned (Q4_0: 0..15 stands for -8..7) put the offset into the minimum. ``h`` is what ``open_block`` returned; it stays
in registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import bits16, join, raised, spread_bits
from mistralrs_plugins.kernels.cpu.jit.memory import load_b8x16, load_b8x32, load_f16, load_half_of_e8m0, load_u32
from mistralrs_plugins.kernels.cpu.kernels.layout import BlockLayout
from mistralrs_plugins.kernels.cpu.kernels.microscaling import twice_e2m1


@inline
def _nibbles(p: Any) -> Any:
    """16 bytes to 32 values: all low halves, then all high halves."""
    packed = load_b8x16(p)
    return join(bits16(packed, 0, 15), bits16(packed, 4, 15))


@inline
def _scale_only(p: Any) -> Any:
    return (load_f16(p), np.float32(0))


@inline
def _scale_and_minimum(p: Any) -> Any:
    return (load_f16(p), load_f16(p + 2))


@inline
def _exponent_only(p: Any) -> Any:
    return (load_half_of_e8m0(p), np.float32(0))


@inline
def _first(p: Any, h: Any, g: Any) -> Any:
    return h[0]


@inline
def _second(p: Any, h: Any, g: Any) -> Any:
    return h[1]


@inline
def _minus_8_scales(p: Any, h: Any, g: Any) -> Any:
    return h[0] * np.float32(-8)


@inline
def _minus_16_scales(p: Any, h: Any, g: Any) -> Any:
    return h[0] * np.float32(-16)


@inline
def _q4_0(p: Any, j: Any) -> Any:
    return _nibbles(p + 2)


@inline
def _q4_1(p: Any, j: Any) -> Any:
    return _nibbles(p + 4)


@inline
def _q5_0(p: Any, j: Any) -> Any:
    return raised(spread_bits(load_u32(p + 2)), 4) | _nibbles(p + 6)


@inline
def _q5_1(p: Any, j: Any) -> Any:
    return raised(spread_bits(load_u32(p + 4)), 4) | _nibbles(p + 8)


@inline
def _q8_0(p: Any, j: Any) -> Any:
    return load_b8x32(p + 2)


@inline
def _mxfp4(p: Any, j: Any) -> Any:
    return twice_e2m1(_nibbles(p + 1))


Q4_0 = BlockLayout(18, 32, 32, _scale_only, _q4_0, _first, _minus_8_scales)
Q4_1 = BlockLayout(20, 32, 32, _scale_and_minimum, _q4_1, _first, _second)
Q5_0 = BlockLayout(22, 32, 32, _scale_only, _q5_0, _first, _minus_16_scales)
Q5_1 = BlockLayout(24, 32, 32, _scale_and_minimum, _q5_1, _first, _second)
Q8_0 = BlockLayout(34, 32, 32, _scale_only, _q8_0, _first, None)
MXFP4 = BlockLayout(17, 32, 32, _exponent_only, _mxfp4, _first, None)
