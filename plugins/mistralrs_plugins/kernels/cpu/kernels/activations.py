"""Rows of activations as 8-bit integers: what quantized weights are multiplied with.

A row of ``width`` floats becomes, in blocks of 32, ``value ~ scale * integer`` with integers from -127 to 127. Beside
the scales lie the sums ``scale * sum(integers)`` of every block and of both its halves: a weight block that adds a
minimum to its values contributes minimum times that sum. In memory, one part after another::

    integers  int8   [width]
    scales    float  [width / 32]
    sums      float  [width / 32]
    halves    float  [width / 16]     sums of 16 values

which is ``width * 3 / 2`` bytes a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
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
def quantize_blocks(source: Any, width: Any, target: Any, first: Any, last: Any) -> None:
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
        a, b = round_to_int(a * inverse), round_to_int(b * inverse)
        c, d = round_to_int(c * inverse), round_to_int(d * inverse)
        integers = target + 32 * block
        store_i8x8(integers, a)
        store_i8x8(integers + 8, b)
        store_i8x8(integers + 16, c)
        store_i8x8(integers + 24, d)
        low, high = scale * lane_sum(to_float(a + b)), scale * lane_sum(to_float(c + d))
        store_f32(target + width + 4 * block, scale)
        store_f32(target + width + width // 8 + 4 * block, low + high)
        store_f32(target + width + width // 4 + 8 * block, low)
        store_f32(target + width + width // 4 + 8 * block + 4, high)


def quantize(args: int, chunk: int, thread: int) -> None:
    """One row a chunk. Arguments: source, its stride, width, target, its stride."""
    source, stride = load_i64(args), load_i64(args + 8)
    target, target_stride = load_i64(args + 24), load_i64(args + 32)
    width = load_i64(args + 16)
    quantize_blocks(source + chunk * stride, width, target + chunk * target_stride, 0, width // 32)
