"""Rows of activations as 8-bit integers: what quantized weights are multiplied with.

A row of ``width`` floats becomes, in blocks of 32, ``value ~ scale * integer`` with integers from -127 to 127. Beside
each scale lies ``scale * sum(integers)``, and the same for both halves of the block: a weight block that adds a
minimum to its values contributes minimum times that sum. In memory, one part after another::

    integers  int8      [width]
    factors   2 floats  [width / 32]     scale and sum
    halves    2 floats  [width / 32]     sums of the first and the last 16 values

which is ``width * 3 / 2`` bytes a row.

The integers lie in their order, or "paired" for the weights of :mod:`.blocks32`: of four blocks a, b, c, d, each made
of a lower and an upper half of 16 values, first a0 c0 a1 c1, then b0 d0 b1 d1. One vector then holds the same half of
two blocks. Beyond the last whole four, two more blocks a, b lie as a0 b0 a1 b1, and a single one in its order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    lane_max,
    lane_sum,
    larger,
    magnitude,
    round_to_int,
    splat,
    to_float,
)
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32x8, load_i64, store_f32, store_i8x8


@inline
def block_place(block: Any, blocks: Any, paired: Any) -> Any:
    """Where a block's lower half lies among the integers, and how far behind it the upper half."""
    fours = blocks // 4 * 4
    if paired != 0 and block < fours:
        return 128 * (block // 4) + 64 * (block & 1) + 16 * (block >> 1 & 1), 32
    if paired != 0 and block < blocks // 2 * 2:
        return 32 * fours + 16 * (block & 1), 32
    return 32 * block, 16


@part
def quantize_blocks(source: Any, width: Any, target: Any, paired: Any, first: Any, last: Any) -> None:
    """Quantize the blocks from ``first`` to before ``last`` of the row of ``width`` floats at ``source``.

    NaN and infinity make their block's scale NaN, so that they stay visible in every product.
    """
    for block in range(first, last):
        at = source + 128 * block
        a, b, c, d = load_f32x8(at), load_f32x8(at + 32), load_f32x8(at + 64), load_f32x8(at + 96)
        top = lane_max(larger(larger(magnitude(a), magnitude(b)), larger(magnitude(c), magnitude(d))))
        damage = lane_sum((a + b) + (c + d)) * np.float32(0)
        scale = top * np.float32(1 / 127) + damage
        inverse = splat(np.float32(127) / top if top > np.float32(1e-30) else np.float32(0))
        i, j = round_to_int(a * inverse), round_to_int(b * inverse)
        k, m = round_to_int(c * inverse), round_to_int(d * inverse)
        offset, distance = block_place(block, width // 32, paired)
        low, high = target + offset, target + offset + distance
        store_i8x8(low, i)
        store_i8x8(low + 8, j)
        store_i8x8(high, k)
        store_i8x8(high + 8, m)
        low_sum, high_sum = scale * lane_sum(to_float(i + j)), scale * lane_sum(to_float(k + m))
        factors, sums = target + width + 8 * block, target + width + width // 4 + 8 * block
        store_f32(factors, scale)
        store_f32(factors + 4, low_sum + high_sum)
        store_f32(sums, low_sum)
        store_f32(sums + 4, high_sum)


def quantize(args: int, chunk: int, thread: int) -> None:
    """One row a chunk. Arguments: source, its stride, width, target, its stride, whether paired."""
    source, stride, width = load_i64(args), load_i64(args + 8), load_i64(args + 16)
    target = load_i64(args + 24) + chunk * load_i64(args + 32)
    quantize_blocks(source + chunk * stride, width, target, load_i64(args + 40), 0, width // 32)
