"""Rows of activations as 16-bit integers: what quantized weights are multiplied with.

A row of ``width`` floats becomes, in blocks of 32, ``value ~ scale * integer`` with integers from -32767 to 32767. That
rounding is a hundredth of what a half-precision cache does to keys and values; 8 bits would shift the logits of a small
model visibly. Beside each scale lies ``scale * sum(integers)``: a weight block that adds a minimum to its values
contributes minimum times that sum. In memory, one part after another::

    integers  int16    [width]          of every four, the second and the third have changed places
    factors   4 words  [width / 32]     floats: scale, sum; int32: the integers' sum of the first 16, of the last

which is ``width * 5 / 2`` bytes a row. The order of the integers is the one in which :mod:`.packed` unpacks weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import part
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    lane_max,
    lane_sum,
    lane_total,
    larger,
    magnitude,
    round_to_int,
    splat,
)
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32x8, load_i64, store_f32, store_paired_i16x8, store_u32


@part
def quantize_blocks(source: Any, width: Any, target: Any, first: Any, last: Any) -> None:
    """Quantize the blocks from ``first`` to before ``last`` of the row of ``width`` floats at ``source``.

    NaN and infinity make their block's scale NaN, so that they stay visible in every product.
    """
    for block in range(first, last):
        at, to = source + 128 * block, target + 64 * block
        a, b, c, d = load_f32x8(at), load_f32x8(at + 32), load_f32x8(at + 64), load_f32x8(at + 96)
        top = lane_max(larger(larger(magnitude(a), magnitude(b)), larger(magnitude(c), magnitude(d))))
        damage = lane_sum((a + b) + (c + d)) * np.float32(0)
        scale = top * np.float32(1 / 32767) + damage
        inverse = splat(np.float32(32767) / top if top > np.float32(1e-30) else np.float32(0))
        i, j = round_to_int(a * inverse), round_to_int(b * inverse)
        k, m = round_to_int(c * inverse), round_to_int(d * inverse)
        store_paired_i16x8(to, i)
        store_paired_i16x8(to + 16, j)
        store_paired_i16x8(to + 32, k)
        store_paired_i16x8(to + 48, m)
        low, high = lane_total(i + j), lane_total(k + m)
        factors = target + 2 * width + 16 * block
        store_f32(factors, scale)
        store_f32(factors + 4, scale * np.float32(low + high))
        store_u32(factors + 8, low)
        store_u32(factors + 12, high)


def quantize(args: int, chunk: int, thread: int) -> None:
    """One row a chunk. Arguments: source, its stride, width, target, its stride."""
    source, stride, width = load_i64(args), load_i64(args + 8), load_i64(args + 16)
    target = load_i64(args + 24) + chunk * load_i64(args + 32)
    quantize_blocks(source + chunk * stride, width, target, 0, width // 32)
