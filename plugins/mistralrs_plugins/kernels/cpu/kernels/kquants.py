"""Super-blocks of 256 weights: Q2_K, Q3_K, Q4_K, Q5_K and Q6_K (ggml-common.h).

Every group of 16 or 32 values has a small integer scale, and in some types a minimum, under one or two half-precision
factors of the super-block. The interface is described in :mod:`.blocks32`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import bits, raised, splat_byte
from mistralrs_plugins.kernels.cpu.jit.memory import load_b8x32, load_f16, load_i8, load_u8, load_u32
from mistralrs_plugins.kernels.cpu.kernels.layout import BlockLayout


@inline
def _byte(word: Any, index: Any) -> Any:
    return (word >> (8 * index)) & 255


@inline
def _factor_times_scale(p: Any, h: Any, g: Any) -> Any:
    """For types that keep eight scales in ``h[2]``."""
    return h[0] * np.float32(_byte(h[2], g))


@inline
def _factor_times_minimum(p: Any, h: Any, g: Any) -> Any:
    return -h[1] * np.float32(_byte(h[3], g))


@inline
def _open_q4_k(p: Any) -> Any:
    """Factors, then eight 6-bit scales and minima taken out of 12 bytes, eight to a word.

    The first four of each lie in the low six bits of bytes 0-3 and 4-7. The last four have their low nibbles in bytes
    8-11 and their upper two bits on top of bytes 0-3 and 4-7. Four bytes are worked on at once.
    """
    a, b, c = load_u32(p + 4), load_u32(p + 8), load_u32(p + 12)
    scales = (a & 0x3F3F3F3F) | (((c & 0x0F0F0F0F) | ((a >> 2) & 0x30303030)) << 32)
    minima = (b & 0x3F3F3F3F) | ((((c >> 4) & 0x0F0F0F0F) | ((b >> 2) & 0x30303030)) << 32)
    return (load_f16(p), load_f16(p + 2), scales, minima)


@inline
def _q4_k(p: Any, j: Any) -> Any:
    """Each 32 bytes hold 32 values in their low halves and the next 32 in their high halves."""
    return bits(load_b8x32(p + 16 + 32 * (j >> 1)), 4 * (j & 1), 15)


@inline
def _q5_k(p: Any, j: Any) -> Any:
    """The fifth bit of value ``i`` of group ``j`` is bit ``j`` of byte ``i``."""
    return bits(load_b8x32(p + 48 + 32 * (j >> 1)), 4 * (j & 1), 15) | raised(bits(load_b8x32(p + 16), j, 1), 4)


@inline
def _open_q6_k(p: Any) -> Any:
    return (load_f16(p + 208), np.float32(0))


@inline
def _q6_k(p: Any, j: Any) -> Any:
    """In each half of 128 values: four low bits from 64 bytes, two high bits from 32."""
    half, quarter = j >> 2, j & 3
    low = bits(load_b8x32(p + 64 * half + 32 * (quarter & 1)), 4 * (quarter >> 1), 15)
    return (low | raised(bits(load_b8x32(p + 128 + 32 * half), 2 * quarter, 3), 4)) - splat_byte(32)


@inline
def _scale_q6_k(p: Any, h: Any, g: Any) -> Any:
    return h[0] * np.float32(load_i8(p + 192 + g))


@inline
def _open_q2_k(p: Any) -> Any:
    return (load_f16(p + 80), load_f16(p + 82))


@inline
def _q2_k(p: Any, j: Any) -> Any:
    """In each half of 128 values, 32 bytes with four values each."""
    return bits(load_b8x32(p + 16 + 32 * (j >> 2)), 2 * (j & 3), 3)


@inline
def _scale_q2_k(p: Any, h: Any, g: Any) -> Any:
    return h[0] * np.float32(load_u8(p + g) & 15)


@inline
def _minimum_q2_k(p: Any, h: Any, g: Any) -> Any:
    return -h[1] * np.float32(load_u8(p + g) >> 4)


@inline
def _open_q3_k(p: Any) -> Any:
    """The factor, then sixteen 6-bit scales in two words: low nibbles in 8 bytes, upper two bits in 4."""
    a, b, c = load_u32(p + 96), load_u32(p + 100), load_u32(p + 104)
    first = (a & 0x0F0F0F0F) | ((c & 0x03030303) << 4)
    second = (b & 0x0F0F0F0F) | (((c >> 2) & 0x03030303) << 4)
    third = ((a >> 4) & 0x0F0F0F0F) | (((c >> 4) & 0x03030303) << 4)
    fourth = ((b >> 4) & 0x0F0F0F0F) | (((c >> 6) & 0x03030303) << 4)
    return (load_f16(p + 108), np.float32(0), first | (second << 32), third | (fourth << 32))


@inline
def _q3_k(p: Any, j: Any) -> Any:
    """Two low bits as in Q2_K; bit ``j`` of byte ``i`` of the first 32 is the third."""
    low = bits(load_b8x32(p + 32 + 32 * (j >> 2)), 2 * (j & 3), 3)
    return (low | raised(bits(load_b8x32(p), j, 1), 2)) - splat_byte(4)


@inline
def _scale_q3_k(p: Any, h: Any, g: Any) -> Any:
    return h[0] * np.float32(_byte(h[2] if g < 8 else h[3], g & 7) - 32)


Q2_K = BlockLayout(84, 256, 16, _open_q2_k, _q2_k, _scale_q2_k, _minimum_q2_k)
Q3_K = BlockLayout(110, 256, 16, _open_q3_k, _q3_k, _scale_q3_k, None)
Q4_K = BlockLayout(144, 256, 32, _open_q4_k, _q4_k, _factor_times_scale, _factor_times_minimum)
Q5_K = BlockLayout(176, 256, 32, _open_q4_k, _q5_k, _factor_times_scale, _factor_times_minimum)
Q6_K = BlockLayout(210, 256, 16, _open_q6_k, _q6_k, _scale_q6_k, None)
