"""Blocks of 32 weights: Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 (ggml-common.h).

What all block layouts of this project say about themselves, here and in :mod:`.kquants`:

``open_block(p)``        what is read once a block, as a tuple
``values(p, j)``         the ``j``-th 32 integers of the block at ``p``: 32 bytes, unsigned unless ``SIGNED``
``scale(p, h, g)``       the factor of group ``g``
``minimum(p, h, g)``     what is added to every value of group ``g`` after scaling

so that ``weight = scale * value + minimum``. Types whose values are signed integers in the file but whose bits are
unsigned (Q4_0: 0..15 stands for -8..7) put the offset into the minimum, because the processor multiplies unsigned by
signed bytes. ``h`` is what ``open_block`` returned; it stays in registers.

The types of this module have a scale for every 32 values, and handling it would cost as much as the 32 products. So
they are multiplied four blocks at a time, with two functions more:

``four_factors(p)``      scale and minimum of four blocks, in the lanes in which activations keep scale and sum
``two_blocks(p, o)``     the values of the block at ``p`` and of the one ``o`` bytes on: two vectors, of which the first
                         holds the lower 16 values of both, the second the upper 16
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    alternating,
    bits,
    bits16,
    join,
    raised,
    spread_bits,
    spread_high_bits,
    spread_low_bits,
)
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_b8x16,
    load_b8x32,
    load_f16,
    load_four_f16_pairs,
    load_four_f16_twice,
    load_u32,
)
from mistralrs_plugins.kernels.cpu.kernels.layout import BlockLayout


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
def _two_nibbles(p: Any, o: Any) -> Any:
    packed = join(load_b8x16(p), load_b8x16(p + o))
    return bits(packed, 0, 15), bits(packed, 4, 15)


@inline
def _two_fifth_bits(p: Any, o: Any) -> Any:
    first, second = load_u32(p), load_u32(p + o)
    return raised(spread_low_bits(first, second), 4), raised(spread_high_bits(first, second), 4)


@inline
def _two_q4_0(p: Any, o: Any) -> Any:
    return _two_nibbles(p + 2, o)


@inline
def _two_q4_1(p: Any, o: Any) -> Any:
    return _two_nibbles(p + 4, o)


@inline
def _two_q5_0(p: Any, o: Any) -> Any:
    low, high = _two_nibbles(p + 6, o)
    low_bits, high_bits = _two_fifth_bits(p + 2, o)
    return low | low_bits, high | high_bits


@inline
def _two_q5_1(p: Any, o: Any) -> Any:
    low, high = _two_nibbles(p + 8, o)
    low_bits, high_bits = _two_fifth_bits(p + 4, o)
    return low | low_bits, high | high_bits


@inline
def _two_q8_0(p: Any, o: Any) -> Any:
    return join(load_b8x16(p + 2), load_b8x16(p + o + 2)), join(load_b8x16(p + 18), load_b8x16(p + o + 18))


@inline
def _four_q4_0(p: Any) -> Any:
    return load_four_f16_twice(p, 18) * alternating(np.float32(1), np.float32(-8))


@inline
def _four_q4_1(p: Any) -> Any:
    return load_four_f16_pairs(p, 20)


@inline
def _four_q5_0(p: Any) -> Any:
    return load_four_f16_twice(p, 22) * alternating(np.float32(1), np.float32(-16))


@inline
def _four_q5_1(p: Any) -> Any:
    return load_four_f16_pairs(p, 24)


@inline
def _four_q8_0(p: Any) -> Any:
    return load_four_f16_twice(p, 34) * alternating(np.float32(1), np.float32(0))


Q4_0 = BlockLayout(18, 32, 32, 15, _scale_only, _q4_0, _first, _minus_8_scales, _four_q4_0, _two_q4_0)
Q4_1 = BlockLayout(20, 32, 32, 15, _scale_and_minimum, _q4_1, _first, _second, _four_q4_1, _two_q4_1)
Q5_0 = BlockLayout(22, 32, 32, 31, _scale_only, _q5_0, _first, _minus_16_scales, _four_q5_0, _two_q5_0)
Q5_1 = BlockLayout(24, 32, 32, 31, _scale_and_minimum, _q5_1, _first, _second, _four_q5_1, _two_q5_1)
Q8_0 = BlockLayout(34, 32, 32, 127, _scale_only, _q8_0, _first, None, _four_q8_0, _two_q8_0)
