"""Products of quantized weights with activations as they are: for prompts, where exactness costs nothing.

Rounding activations to 8 bits is what makes a single token fast: its product waits for weights. A prompt has many rows
for each weight row, so the weights can be decoded to floats once for all of them, in a tile that stays in the cache,
and the product is bound by multiplications, which are as fast on floats. What a prompt leaves in the cache is then
free of rounding, and a short answer depends on it more than on its own few tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import lane_sum, splat
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32x8, load_i64
from mistralrs_plugins.kernels.cpu.kernels.dense import read_blocks
from mistralrs_plugins.kernels.cpu.kernels.product import finish
from mistralrs_plugins.kernels.cpu.kernels.sizes import TILE_ROWS

Kernel = Callable[[int, int, int], None]


@part
def three_by_four(w: Any, step: Any, x0: Any, x1: Any, x2: Any, x3: Any) -> Any:
    """Three weight rows, ``step`` bytes apart, times four rows of activations: twelve sums in as many registers."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = splat(np.float32(0))
    for i in range(0, step, 32):
        a, b, c = load_f32x8(w + i), load_f32x8(w + step + i), load_f32x8(w + 2 * step + i)
        x = load_f32x8(x0 + i)
        a0, b0, c0 = a0 + a * x, b0 + b * x, c0 + c * x
        x = load_f32x8(x1 + i)
        a1, b1, c1 = a1 + a * x, b1 + b * x, c1 + c * x
        x = load_f32x8(x2 + i)
        a2, b2, c2 = a2 + a * x, b2 + b * x, c2 + c * x
        x = load_f32x8(x3 + i)
        a3, b3, c3 = a3 + a * x, b3 + b * x, c3 + c * x
    first = lane_sum(a0), lane_sum(a1), lane_sum(a2), lane_sum(a3)
    second = lane_sum(b0), lane_sum(b1), lane_sum(b2), lane_sum(b3)
    third = lane_sum(c0), lane_sum(c1), lane_sum(c2), lane_sum(c3)
    return first, second, third


@inline
def finish_four(sums: Any, args: Any, token: Any, last_token: Any, row: Any) -> None:
    """Store one weight row's results; tokens beyond the end repeat the last one, with the same result."""
    finish(sums[0], args, token, row)
    finish(sums[1], args, min(token + 1, last_token), row)
    finish(sums[2], args, min(token + 2, last_token), row)
    finish(sums[3], args, min(token + 3, last_token), row)


def make_product(name: str) -> Kernel:
    """The kernel for weights in the layout ``name``.

    Arguments as in :func:`.product.make_product`, with rows of floats as activations, and at the end the address of
    the number of the first row that is wanted; a chunk's weight rows are a multiple of :data:`TILE_ROWS`.
    """
    read = read_blocks(name)

    @part
    def by_tiles(args: Any, first: Any, last: Any, begin: Any, count: Any, tile: Any) -> None:
        x, stride, width = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
        weights, row_bytes = load_i64(args + 32), load_i64(args + 40)
        end = count - 1
        for row in range(first, last, TILE_ROWS):
            rows = min(TILE_ROWS, last - row)
            for i in range(-(-rows // 3) * 3):
                read(weights + min(row + i, last - 1) * row_bytes, width, tile + 4 * width * i, np.float32(1))
            for token in range(begin, count, 4):
                x0, x1 = x + token * stride, x + min(token + 1, end) * stride
                x2, x3 = x + min(token + 2, end) * stride, x + min(token + 3, end) * stride
                for i in range(0, rows, 3):
                    a, b, c = three_by_four(tile + 4 * width * i, 4 * width, x0, x1, x2, x3)
                    finish_four(a, args, token, end, row + i)
                    finish_four(b, args, token, end, min(row + i + 1, last - 1))
                    finish_four(c, args, token, end, min(row + i + 2, last - 1))

    def product(args: int, chunk: int, thread: int) -> None:
        begin, count = load_i64(load_i64(args + 120)), load_i64(load_i64(args))
        first = chunk * load_i64(args + 96)
        last = min(first + load_i64(args + 96), load_i64(args + 48))
        if begin < count:
            by_tiles(args, first, last, begin, count, load_i64(args + 104) + thread * load_i64(args + 112))

    return product
