"""Products with weights that are plain floats, and looking up rows of any table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
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
    store_f32x8,
)
from mistralrs_plugins.kernels.cpu.kernels.product import finish
from mistralrs_plugins.kernels.cpu.kernels.rows import read_blocks

Kernel = Callable[[int, int, int], None]

_LOADS = {"f32": (load_f32x8, load_f32, 4), "f16": (load_f16x8, load_f16, 2), "bf16": (load_bf16x8, load_bf16, 2)}


_BLOCK_BYTES = 192 * 1024
"""Activations multiplied with all weight rows of a chunk before the next ones are."""


@inline
def _rest(total: Any, w: Any, x: Any, width: Any) -> Any:
    """Add the products of the last ``width % 8`` floats, one after another."""
    for i in range(width // 8 * 8, width):
        total += load_f32(w + 4 * i) * load_f32(x + 4 * i)
    return total


@part
def _finish_three(a: Any, b: Any, c: Any, args: Any, token: Any, row: Any, w: Any) -> None:
    """The sums of one weight row with three of activations."""
    x, stride, width = load_i64(args + 8) + token * load_i64(args + 16), load_i64(args + 16), load_i64(args + 24)
    finish(_rest(lane_sum(a), w, x, width), args, token, row)
    finish(_rest(lane_sum(b), w, x + stride, width), args, token + 1, row)
    finish(_rest(lane_sum(c), w, x + 2 * stride, width), args, token + 2, row)


@part
def _multiply(args: Any, token: Any, row: Any, w0: Any, row_bytes: Any) -> None:
    """Four rows of floats, which are the weight's from ``row`` on, times three of activations from ``token`` on."""
    stride, width = load_i64(args + 16), load_i64(args + 24)
    x0 = load_i64(args + 8) + token * stride
    x1, x2, w1, w2, w3 = x0 + stride, x0 + 2 * stride, w0 + row_bytes, w0 + 2 * row_bytes, w0 + 3 * row_bytes
    a0 = a1 = a2 = b0 = b1 = b2 = c0 = c1 = c2 = d0 = d1 = d2 = splat(np.float32(0))
    for i in range(0, width // 8 * 32, 32):
        p, q, r = load_f32x8(x0 + i), load_f32x8(x1 + i), load_f32x8(x2 + i)
        w = load_f32x8(w0 + i)
        a0, a1, a2 = a0 + w * p, a1 + w * q, a2 + w * r
        w = load_f32x8(w1 + i)
        b0, b1, b2 = b0 + w * p, b1 + w * q, b2 + w * r
        w = load_f32x8(w2 + i)
        c0, c1, c2 = c0 + w * p, c1 + w * q, c2 + w * r
        w = load_f32x8(w3 + i)
        d0, d1, d2 = d0 + w * p, d1 + w * q, d2 + w * r
    _finish_three(a0, a1, a2, args, token, row, w0)
    _finish_three(b0, b1, b2, args, token, row + 1, w1)
    _finish_three(c0, c1, c2, args, token, row + 2, w2)
    _finish_three(d0, d1, d2, args, token, row + 3, w3)


def make_product(name: str) -> Kernel:
    """The kernel for a float type. Arguments as in :func:`.product.make_product`, with rows of floats as activations.

    Four weight rows and three of activations are multiplied at a time, from registers; half-precision weights are
    widened first, into scratch memory. Activations are taken in blocks that stay in the second-level cache. Every sum
    is added up in one order, whoever is beside it.
    """
    load_eight, load_one, size = _LOADS[name]

    @inline
    def dot(w: Any, x: Any, width: Any) -> Any:
        y = splat(np.float32(0))
        for i in range(0, width // 8 * 8, 8):
            y += load_eight(w + size * i) * load_f32x8(x + 4 * i)
        total = lane_sum(y)
        for i in range(width // 8 * 8, width):
            total += load_one(w + size * i) * load_f32(x + 4 * i)
        return total

    @part
    def widen(w: Any, row_bytes: Any, width: Any, target: Any) -> None:
        for row in range(4):
            at, to = w + row * row_bytes, target + 4 * row * width
            for i in range(0, width // 8 * 8, 8):
                store_f32x8(to + 4 * i, load_eight(at + size * i))
            for i in range(width // 8 * 8, width):
                store_f32(to + 4 * i, load_one(at + size * i))

    def product(args: int, chunk: int, thread: int) -> None:
        count, each = load_i64(load_i64(args)), load_i64(args + 96)
        x, stride, width = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
        weights, row_bytes = load_i64(args + 32), load_i64(args + 40)
        first = chunk * each
        last = min(first + each, load_i64(args + 48))
        fours, block = first + (last - first) // 4 * 4, max(1, _BLOCK_BYTES // (3 * 4 * width)) * 3
        for begin in range(0, count, block):
            end = min(begin + block, count)
            threes = begin + (end - begin) // 3 * 3
            if begin < threes:
                for row in range(first, fours, 4):
                    w, wide = weights + row * row_bytes, row_bytes
                    if size < 4:
                        wide = 4 * width
                        scratch = load_i64(args + 104) + thread * load_i64(args + 112)
                        widen(w, row_bytes, width, scratch)
                        w = scratch
                    for token in range(begin, threes, 3):
                        _multiply(args, token, row, w, wide)
            for row in range(first, last):
                for token in range(threes if row < fours else begin, end):
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
