"""Packed super-blocks of 256 weights: Q2_K, Q3_K, Q4_K, Q5_K and Q6_K. The interface is described in :mod:`.packed`.

Where the bits lie within a block is what :mod:`.kquants` says; its words here are 32 bytes, one word of each row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    lowered,
    shorts,
    shorts_up,
    splat,
    word_bits,
    words_and,
    zeros_i32,
)
from mistralrs_plugins.kernels.cpu.jit.memory import load_b8x32, load_f16x8, load_i8x8, load_pair_everywhere
from mistralrs_plugins.kernels.cpu.jit.vocabulary import dot_pairs
from mistralrs_plugins.kernels.cpu.kernels.layout import PackedLayout


@inline
def _pair(word: Any, shift: Any, mask: Any) -> Any:
    packed = load_b8x32(word)
    return shorts(packed, shift, mask), shorts(packed, shift + 8, mask)


@inline
def _with_upper_bits(low: Any, word: Any, shift: Any, mask: Any, up: Any) -> Any:
    even, odd = _pair(word, shift, mask)
    return low[0] | shorts_up(even, up), low[1] | shorts_up(odd, up)


@inline
def _open_q4_k(p: Any) -> Any:
    """Factors, and the words with six-bit scales and minima: each of four groups in four words.

    The first four of each lie in the low six bits of the bytes of the first and second word. The last four have their
    low nibbles in the third word and their upper two bits on top of the first and second.
    """
    a, b, c = load_b8x32(p + 32), load_b8x32(p + 64), load_b8x32(p + 96)
    scales = words_and(a, 0, 0x3F3F3F3F), words_and(c, 0, 0x0F0F0F0F) | words_and(a, 2, 0x30303030)
    minima = words_and(b, 0, 0x3F3F3F3F), words_and(c, 4, 0x0F0F0F0F) | words_and(b, 2, 0x30303030)
    return (load_f16x8(p), load_f16x8(p + 16), scales[0], scales[1], minima[0], minima[1])


@inline
def _scale_q4_k(p: Any, h: Any, g: Any) -> Any:
    return h[0] * word_bits(h[2] if g < 4 else h[3], 8 * (g & 3), 255)


@inline
def _minimum_q4_k(p: Any, h: Any, g: Any) -> Any:
    return h[1] * word_bits(h[4] if g < 4 else h[5], 8 * (g & 3), 255)


@inline
def _q4_k(p: Any, j: Any, i: Any) -> Any:
    return _pair(p + 128 + 256 * (j >> 1) + 32 * i, 4 * (j & 1), 15)


@inline
def _dots_q4_k(p: Any, k: Any, x: Any) -> Any:
    """One word holds values of both groups. Nibbles in the middle are multiplied where they lie, 16 times too large."""
    words = p + 128 + 256 * k
    even = odd = raised_odd = zeros_i32()
    for i in range(8):
        packed = load_b8x32(words + 32 * i)
        even += dot_pairs(shorts(packed, 0, 15), load_pair_everywhere(x + 8 * i))
        raised_odd += dot_pairs(shorts(packed, 0, 240), load_pair_everywhere(x + 64 + 8 * i))
        even += dot_pairs(shorts(packed, 8, 15), load_pair_everywhere(x + 8 * i + 4))
        odd += dot_pairs(shorts(packed, 12, 15), load_pair_everywhere(x + 64 + 8 * i + 4))
    return even, odd + lowered(raised_odd, 4)


@inline
def _q5_k(p: Any, j: Any, i: Any) -> Any:
    low = _pair(p + 384 + 256 * (j >> 1) + 32 * i, 4 * (j & 1), 15)
    return _with_upper_bits(low, p + 128 + 32 * i, j, 1, 4)


@inline
def _open_q6_k(p: Any) -> Any:
    return (load_f16x8(p),)


@inline
def _q6_k(p: Any, j: Any, i: Any) -> Any:
    """See :mod:`.sixbits` for the order of bits."""
    words = p + 144 + 192 * j + 96 * (i >> 2)
    if i & 3 == 3:
        first, second, upper = load_b8x32(words), load_b8x32(words + 32), load_b8x32(words + 64)
        return shorts(first, 12, 15) | shorts(upper, 8, 48), shorts(second, 12, 15) | shorts(upper, 10, 48)
    packed = load_b8x32(words + 32 * (i & 3))
    return shorts(packed, 0, 63), shorts(packed, 6, 63)


@inline
def _dot_q6_k(words: Any, x: Any) -> Any:
    """Every second value is multiplied where it lies, six bits up: 64 times too large."""
    total = raised = zeros_i32()
    for i in range(3):
        packed = load_b8x32(words + 32 * i)
        total += dot_pairs(shorts(packed, 0, 63), load_pair_everywhere(x + 8 * i))
        raised += dot_pairs(shorts(packed, 0, 63 << 6), load_pair_everywhere(x + 8 * i + 4))
    first, second, upper = load_b8x32(words), load_b8x32(words + 32), load_b8x32(words + 64)
    total += dot_pairs(shorts(first, 12, 15) | shorts(upper, 8, 48), load_pair_everywhere(x + 24))
    total += dot_pairs(shorts(second, 12, 15) | shorts(upper, 10, 48), load_pair_everywhere(x + 28))
    return total + lowered(raised, 6)


@inline
def _dots_q6_k(p: Any, k: Any, x: Any) -> Any:
    words = p + 144 + 192 * k
    return _dot_q6_k(words, x), _dot_q6_k(words + 96, x + 32)


@inline
def _scale_q6_k(p: Any, h: Any, g: Any) -> Any:
    return h[0] * load_i8x8(p + 16 + 8 * g)


@inline
def _open_q2_k(p: Any) -> Any:
    return (load_f16x8(p), load_f16x8(p + 16))


@inline
def _q2_k(p: Any, j: Any, i: Any) -> Any:
    return _pair(p + 160 + 256 * (j >> 2) + 32 * i, 2 * (j & 3), 3)


@inline
def _scale_q2_k(p: Any, h: Any, g: Any) -> Any:
    return h[0] * word_bits(load_b8x32(p + 32 + 32 * (g >> 2)), 8 * (g & 3), 15)


@inline
def _minimum_q2_k(p: Any, h: Any, g: Any) -> Any:
    return h[1] * word_bits(load_b8x32(p + 32 + 32 * (g >> 2)), 8 * (g & 3) + 4, 15)


@inline
def _open_q3_k(p: Any) -> Any:
    """The factor; the scales' low nibbles (eight bytes) and upper two bits (four bytes)."""
    return (load_f16x8(p), load_b8x32(p + 784), load_b8x32(p + 816), load_b8x32(p + 848))


@inline
def _q3_k(p: Any, j: Any, i: Any) -> Any:
    low = _pair(p + 272 + 256 * (j >> 2) + 32 * i, 2 * (j & 3), 3)
    return _with_upper_bits(low, p + 16 + 32 * i, j, 1, 2)


@inline
def _scale_q3_k(p: Any, h: Any, g: Any) -> Any:
    """Group ``g``'s nibble is a half of byte ``g & 7``; its upper bits are bits ``2 (g >> 2)`` of byte ``g & 3``."""
    nibble = word_bits(h[1] if g & 4 == 0 else h[2], 8 * (g & 3) + 4 * (g >> 3), 15)
    upper = word_bits(h[3], 8 * (g & 3) + 2 * (g >> 2), 3)
    return h[0] * (nibble + upper * splat(np.float32(16)) - splat(np.float32(32)))


Q2_K = PackedLayout(84, 256, 16, 0, _open_q2_k, _q2_k, _scale_q2_k, _minimum_q2_k, -1)
Q3_K = PackedLayout(110, 256, 16, -4, _open_q3_k, _q3_k, _scale_q3_k, None)
Q4_K = PackedLayout(144, 256, 32, 0, _open_q4_k, _q4_k, _scale_q4_k, _minimum_q4_k, -1, _dots_q4_k)
Q5_K = PackedLayout(176, 256, 32, 0, _open_q4_k, _q5_k, _scale_q4_k, _minimum_q4_k, -1)
Q6_K = PackedLayout(210, 256, 16, -32, _open_q6_k, _q6_k, _scale_q6_k, None, dots=_dots_q6_k)
