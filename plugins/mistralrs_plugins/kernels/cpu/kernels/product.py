"""Products of packed weights (:mod:`.packed`) with 16-bit activations (:mod:`.activations`).

Integers are multiplied and summed over a group of 16 or 32 values; only that sum is multiplied by both scales::

    sum(w * x) = sum over groups of  w_scale * x_scale * sum((w_int + offset) * x_int)  +  w_minimum * x_sum

For few rows of activations weights are unpacked into registers, for each row anew: that is bound by how fast weights
arrive. For more, 16 weight rows are unpacked into a tile in the cache, and four rows of activations at a time are
multiplied with it. Both sum the same integers, so that a row's result does not depend on its neighbours. From how many
rows on the second way is taken is an argument, because it differs between processors and types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import splat, splat_i16, splat_i32, to_float, zeros_i32
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_f32,
    load_f32x8,
    load_i16x16,
    load_i32,
    load_i64,
    load_pair_everywhere,
    prefetch,
    store_f32,
    store_f32x8,
    store_i16x16,
)
from mistralrs_plugins.kernels.cpu.jit.vocabulary import dot_pairs
from mistralrs_plugins.kernels.cpu.kernels.layout import PackedLayout
from mistralrs_plugins.kernels.cpu.kernels.packed import packed_layout
from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS

Kernel = Callable[[int, int, int], None]

_AHEAD = 4096
"""How far ahead weights are asked for: a page, because the processor's own prefetching stops at the end of one."""


@inline
def _nothing(p: Any, h: Any, g: Any) -> Any:
    return splat(np.float32(0))


@inline
def _sum_of_sixteen(factors: Any, g: Any) -> Any:
    return load_f32(factors) * np.float32(load_i32(factors + 8 + 4 * g))


@inline
def _sum_of_all(factors: Any, g: Any) -> Any:
    return load_f32(factors + 4)


def make_scaled(layout: PackedLayout) -> Any:
    """``scaled(p, h, g, dot, factors, total)``: adds group ``g`` of eight rows, whose integers sum to ``dot``.

    ``factors`` are those of the 32 activations that the group belongs to. Offsets are added here.
    """
    scale, groups, offset, sign = layout.scale, 32 // layout.group, layout.offset, np.float32(layout.sign)
    minimum, minima = layout.minimum or _nothing, 1 if layout.minimum else 0
    x_sum = _sum_of_all if groups == 1 else _sum_of_sixteen

    @inline
    def scaled(p: Any, h: Any, g: Any, dot: Any, factors: Any, total: Any) -> Any:
        half = g % groups
        if offset != 0:
            dot += splat_i32(load_i32(factors + 8 + 4 * half)) * splat_i32(offset)
            if groups == 1:
                dot += splat_i32(load_i32(factors + 12)) * splat_i32(offset)
        total += to_float(dot) * splat(load_f32(factors)) * scale(p, h, g)
        if minima:
            total += minimum(p, h, g) * splat(sign * x_sum(factors, half))
        return total

    return scaled


def make_dot(layout: PackedLayout) -> Any:
    """``dots(p, k, x)`` as in :mod:`.packed`, by way of ``unpack``."""
    unpack, group, groups, words = layout.unpack, layout.group, 32 // layout.group, layout.group // 4

    @inline
    def halves(p: Any, g: Any, x: Any) -> Any:
        even = odd = zeros_i32()
        for i in range(words):
            first, second = unpack(p, g // groups, g % groups * words + i)
            even += dot_pairs(first, load_pair_everywhere(x + 8 * i))
            odd += dot_pairs(second, load_pair_everywhere(x + 8 * i + 4))
        return even, odd

    @inline
    def dots(p: Any, k: Any, x: Any) -> Any:
        one, two = halves(p, 2 * k, x), halves(p, 2 * k + 1, x + 2 * group)
        return one[0] + one[1], two[0] + two[1]

    return halves if layout.block == group else dots


def make_direct(layout: PackedLayout) -> Any:
    """``direct(w, x, width)``: eight weight rows at ``w`` times one row of activations at ``x``."""
    block, block_bytes, open_block = layout.block, layout.block_bytes, layout.open_block
    group, groups, pairs = layout.group, 32 // layout.group, layout.block // layout.group // 2
    pair_bytes = block_bytes // max(1, pairs)
    scaled, dots = make_scaled(layout), layout.dots or make_dot(layout)

    @inline
    def small(w: Any, x: Any, width: Any) -> Any:
        total = splat(np.float32(0))
        for b in range(width // 32):
            p = w + b * block_bytes
            for line in range(0, block_bytes, 64):
                prefetch(p + _AHEAD + line)
            one, two = dots(p, 0, x + 64 * b)
            total = scaled(p, open_block(p), 0, one + two, x + 2 * width + 16 * b, total)
        return total

    @inline
    def large(w: Any, x: Any, width: Any) -> Any:
        total = splat(np.float32(0))
        factors = x + 2 * width
        for b in range(width // block):
            p = w + b * block_bytes
            h = open_block(p)
            # No constant count, so that the loop stays one: unrolled, its values would not fit into registers.
            for k in range(min(width, pairs)):
                for line in range(0, pair_bytes, 64):
                    prefetch(p + pair_bytes * k + _AHEAD + line)
                one, two = dots(p, k, x)
                total = scaled(p, h, 2 * k, one, factors, total)
                total = scaled(p, h, 2 * k + 1, two, factors + 16 * (2 - groups), total)
                x += 4 * group
                factors += 32 // groups
        return total

    return small if block == 32 else large


def make_unpack(layout: PackedLayout) -> Any:
    """``unpack_tile(w, other, width, tile)``: eight rows at ``w`` and eight at ``other`` into a tile.

    For every step of a product, which is two values of each row, a tile holds the vector of the first eight rows and
    that of the others, offsets added. Behind them lie the scales of each group, and then the minima, likewise.
    """
    block, block_bytes, inside = layout.block, layout.block_bytes, layout.block // 32
    open_block, unpack, scale = layout.open_block, layout.unpack, layout.scale
    groups = block // layout.group
    minimum, minima = layout.minimum or _nothing, 1 if layout.minimum else 0
    group, offset = layout.group, layout.offset

    @part
    def unpack_eight(w: Any, width: Any, tile: Any) -> None:
        scales = tile + 32 * width
        lows = scales + 64 * (width // group)
        for b in range(width // block):
            p = w + b * block_bytes
            h = open_block(p)
            for j in range(inside):
                to = tile + 1024 * (b * inside + j)
                for i in range(8):
                    first, second = unpack(p, j, i)
                    store_i16x16(to + 128 * i, first + splat_i16(offset))
                    store_i16x16(to + 128 * i + 64, second + splat_i16(offset))
            for g in range(groups):
                store_f32x8(scales + 64 * (b * groups + g), scale(p, h, g))
                if minima:
                    store_f32x8(lows + 64 * (b * groups + g), minimum(p, h, g))

    @inline
    def unpack_tile(w: Any, other: Any, width: Any, tile: Any) -> None:
        unpack_eight(w, width, tile)
        unpack_eight(other, width, tile + 32)

    return unpack_tile


def make_tile(layout: PackedLayout) -> Any:
    """``multiply(tile, width, x0, x1, x2, x3)``: 16 unpacked rows times four rows of activations.

    The result is for each row of activations two vectors, those of the tile's first and last eight rows.
    """
    group, groups, steps = layout.group, 32 // layout.group, layout.group // 2
    sign, minima = np.float32(layout.sign), 1 if layout.minimum else 0
    x_sum = _sum_of_all if groups == 1 else _sum_of_sixteen

    @inline
    def scaled(a: Any, b: Any, x: Any, scale_a: Any, scale_b: Any, u: Any, v: Any) -> Any:
        x_scale = splat(load_f32(x))
        return u + to_float(a) * x_scale * scale_a, v + to_float(b) * x_scale * scale_b

    @inline
    def with_minima(low_a: Any, low_b: Any, x: Any, g: Any, u: Any, v: Any) -> Any:
        y = splat(sign * x_sum(x, g))
        return u + low_a * y, v + low_b * y

    @part
    def multiply(tile: Any, width: Any, x0: Any, x1: Any, x2: Any, x3: Any) -> Any:
        scales = tile + 32 * width
        lows = scales + 64 * (width // group)
        u0 = u1 = u2 = u3 = v0 = v1 = v2 = v3 = splat(np.float32(0))
        for block in range(width // 32):
            for g in range(groups):
                a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zeros_i32()
                at = 64 * block + 4 * steps * g
                w = tile + 16 * at
                for s in range(steps):
                    a, b = load_i16x16(w + 64 * s), load_i16x16(w + 64 * s + 32)
                    x = load_pair_everywhere(x0 + at + 4 * s)
                    a0, b0 = a0 + dot_pairs(a, x), b0 + dot_pairs(b, x)
                    x = load_pair_everywhere(x1 + at + 4 * s)
                    a1, b1 = a1 + dot_pairs(a, x), b1 + dot_pairs(b, x)
                    x = load_pair_everywhere(x2 + at + 4 * s)
                    a2, b2 = a2 + dot_pairs(a, x), b2 + dot_pairs(b, x)
                    x = load_pair_everywhere(x3 + at + 4 * s)
                    a3, b3 = a3 + dot_pairs(a, x), b3 + dot_pairs(b, x)
                f = 2 * width + 16 * block
                n = 64 * (block * groups + g)
                p, q = load_f32x8(scales + n), load_f32x8(scales + n + 32)
                u0, v0 = scaled(a0, b0, x0 + f, p, q, u0, v0)
                u1, v1 = scaled(a1, b1, x1 + f, p, q, u1, v1)
                u2, v2 = scaled(a2, b2, x2 + f, p, q, u2, v2)
                u3, v3 = scaled(a3, b3, x3 + f, p, q, u3, v3)
                if minima:
                    p, q = load_f32x8(lows + n), load_f32x8(lows + n + 32)
                    u0, v0 = with_minima(p, q, x0 + f, g, u0, v0)
                    u1, v1 = with_minima(p, q, x1 + f, g, u1, v1)
                    u2, v2 = with_minima(p, q, x2 + f, g, u2, v2)
                    u3, v3 = with_minima(p, q, x3 + f, g, u3, v3)
        return u0, v0, u1, v1, u2, v2, u3, v3

    return multiply


@inline
def finish(value: Any, args: Any, token: Any, row: Any) -> None:
    """Add bias and residual where there are any, and store one result."""
    residual, bias = load_i64(args + 72), load_i64(args + 88)
    if bias != 0:
        value += load_f32(bias + 4 * row)
    if residual != 0:
        value += load_f32(residual + token * load_i64(args + 80) + 4 * row)
    store_f32(load_i64(args + 56) + token * load_i64(args + 64) + 4 * row, value)


@part
def finish_eight(value: Any, args: Any, token: Any, row: Any, spare: Any) -> None:
    """The same for eight neighbours, of which only those exist that a weight has; ``spare`` holds eight floats."""
    rows = load_i64(args + 48)
    if row + ROWS > rows:
        store_f32x8(spare, value)
        for i in range(row, rows):
            finish(load_f32(spare + 4 * (i - row)), args, token, i)
        return
    residual, bias = load_i64(args + 72), load_i64(args + 88)
    if bias != 0:
        value += load_f32x8(bias + 4 * row)
    if residual != 0:
        value += load_f32x8(residual + token * load_i64(args + 80) + 4 * row)
    store_f32x8(load_i64(args + 56) + token * load_i64(args + 64) + 4 * row, value)


def make_product(name: str) -> Kernel:
    """The kernel for packed weights of the layout ``name``. A chunk is some weight rows, for all rows of activations.

    Arguments: address of the number of activation rows; activations, their stride; width; weights, bytes of a row,
    rows; output, its stride; residual (0: none), its stride; bias (0: none); weight rows in a chunk, a multiple of 8;
    scratch memory, its size for each thread; rows of activations from which weights are unpacked into a tile.
    """
    layout = packed_layout(name)
    direct, unpack_tile, multiply = make_direct(layout), make_unpack(layout), make_tile(layout)

    @part
    def by_eights(args: Any, first: Any, last: Any, count: Any, spare: Any) -> None:
        x, stride, width = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
        weights, row_bytes = load_i64(args + 32), load_i64(args + 40)
        for row in range(first, last, ROWS):
            for token in range(count):
                y = direct(weights + row * row_bytes, x + token * stride, width)
                finish_eight(y, args, token, row, spare)

    @part
    def by_tiles(args: Any, first: Any, last: Any, count: Any, scratch: Any) -> None:
        x, stride, width = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
        weights, row_bytes = load_i64(args + 32), load_i64(args + 40)
        tile, end = scratch + 32, count - 1
        for row in range(first, last, 2 * ROWS):
            other = row + ROWS if row + ROWS < last else row
            unpack_tile(weights + row * row_bytes, weights + other * row_bytes, width, tile)
            for token in range(0, count, 4):
                # The last four may reach beyond the end: the last row is then computed again, with the same result.
                t1, t2, t3 = min(token + 1, end), min(token + 2, end), min(token + 3, end)
                u0, v0, u1, v1, u2, v2, u3, v3 = multiply(
                    tile, width, x + token * stride, x + t1 * stride, x + t2 * stride, x + t3 * stride
                )
                finish_eight(u0, args, token, row, scratch)
                finish_eight(u1, args, t1, row, scratch)
                finish_eight(u2, args, t2, row, scratch)
                finish_eight(u3, args, t3, row, scratch)
                if other != row:
                    finish_eight(v0, args, token, other, scratch)
                    finish_eight(v1, args, t1, other, scratch)
                    finish_eight(v2, args, t2, other, scratch)
                    finish_eight(v3, args, t3, other, scratch)

    def product(args: int, chunk: int, thread: int) -> None:
        count, each = load_i64(load_i64(args)), load_i64(args + 96)
        first = chunk * each
        last = min(first + each, load_i64(args + 48))
        scratch = load_i64(args + 104) + thread * load_i64(args + 112)
        if count < load_i64(args + 120):
            by_eights(args, first, last, count, scratch)
        else:
            by_tiles(args, first, last, count, scratch)

    return product
