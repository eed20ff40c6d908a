"""Products with weights that are plain floats, and looking up rows of any table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import lane_sum, splat
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_bf16,
    load_bf16x8,
    load_f16,
    load_f16x8,
    load_f32,
    load_f32x8,
    load_i64,
    store_f32,
)
from mistralrs_plugins.kernels.cpu.kernels.product import finish
from mistralrs_plugins.kernels.cpu.kernels.rows import read_blocks

Kernel = Callable[[int, int, int], None]

_LOADS = {"f32": (load_f32x8, load_f32, 4), "f16": (load_f16x8, load_f16, 2), "bf16": (load_bf16x8, load_bf16, 2)}


def make_product(name: str) -> Kernel:
    """The kernel for a float type. Arguments as in :func:`.product.make_product`, with rows of floats as activations.

    Four rows of activations share the reading of a weight row.
    """
    load_eight, load_one, size = _LOADS[name]

    @inline
    def dot(w: Any, x: Any, width: Any) -> Any:
        whole = width // 8 * 8
        y = splat(np.float32(0))
        for i in range(0, whole, 8):
            y += load_eight(w + size * i) * load_f32x8(x + 4 * i)
        total = lane_sum(y)
        for i in range(whole, width):
            total += load_one(w + size * i) * load_f32(x + 4 * i)
        return total

    @inline
    def dot_four(w: Any, x0: Any, x1: Any, x2: Any, x3: Any, width: Any) -> Any:
        whole = width // 8 * 8
        y0 = y1 = y2 = y3 = splat(np.float32(0))
        for i in range(0, whole, 8):
            weight = load_eight(w + size * i)
            y0 += weight * load_f32x8(x0 + 4 * i)
            y1 += weight * load_f32x8(x1 + 4 * i)
            y2 += weight * load_f32x8(x2 + 4 * i)
            y3 += weight * load_f32x8(x3 + 4 * i)
        t0, t1, t2, t3 = lane_sum(y0), lane_sum(y1), lane_sum(y2), lane_sum(y3)
        for i in range(whole, width):
            one = load_one(w + size * i)
            t0 += one * load_f32(x0 + 4 * i)
            t1 += one * load_f32(x1 + 4 * i)
            t2 += one * load_f32(x2 + 4 * i)
            t3 += one * load_f32(x3 + 4 * i)
        return t0, t1, t2, t3

    def product(args: int, chunk: int, thread: int) -> None:
        count, each = load_i64(load_i64(args)), load_i64(args + 96)
        x, stride, width = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
        weights, row_bytes = load_i64(args + 32), load_i64(args + 40)
        first = chunk * each
        last = min(first + each, load_i64(args + 48))
        fours = count // 4 * 4
        for token in range(0, fours, 4):
            at = x + token * stride
            for row in range(first, last):
                w = weights + row * row_bytes
                y0, y1, y2, y3 = dot_four(w, at, at + stride, at + 2 * stride, at + 3 * stride, width)
                finish(y0, args, token, row)
                finish(y1, args, token + 1, row)
                finish(y2, args, token + 2, row)
                finish(y3, args, token + 3, row)
        for token in range(fours, count):
            for row in range(first, last):
                finish(dot(weights + row * row_bytes, x + token * stride, width), args, token, row)

    return product


def make_embed(name: str) -> Kernel:
    """Rows of a table as floats, one a chunk.

    Arguments: address of the address of int64 ids; table, bytes of a row, rows; width; factor; target, its stride. An
    id beyond the table takes its last row.
    """
    read = _read_floats(name) if name in _LOADS else read_blocks(name)

    def embed(args: int, chunk: int, thread: int) -> None:
        row = max(0, min(load_i64(load_i64(load_i64(args)) + 8 * chunk), load_i64(args + 24) - 1))
        source, target = (
            load_i64(args + 8) + row * load_i64(args + 16),
            load_i64(args + 48) + chunk * load_i64(args + 56),
        )
        read(source, load_i64(args + 32), target, load_f32(args + 40))

    return embed


def _read_floats(name: str) -> Any:
    _, load_one, size = _LOADS[name]

    @inline
    def read(source: Any, width: Any, target: Any, factor: Any) -> None:
        for i in range(width):
            store_f32(target + 4 * i, load_one(source + size * i) * factor)

    return read
