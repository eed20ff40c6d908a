"""Products with quantized weights, straight from the file's blocks.

The dot product of a weight row with a row of activations (:mod:`.activations`) goes block by block: 32 products of
small integers are summed in integers, and only that sum is multiplied by both scales::

    sum(w * x) = sum over blocks of  w_scale * x_scale * sum(w_int * x_int)  +  w_minimum * x_sum

Few rows of activations are taken one after another, each weight row being unpacked for each: that is bound by how fast
weights arrive. From :data:`TILE_FROM` rows on, eight weight rows are unpacked once into an order in which one vector
holds four neighbouring values of all eight rows; their integer sums then lie in eight lanes, and scaling costs an
eighth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    first_of_halves,
    halves,
    lane_sum,
    odd_lanes,
    splat,
    third_of_halves,
    to_float,
    zeros_i16,
    zeros_i32,
)
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_b8x32,
    load_f32,
    load_f32x8,
    load_four_bytes_everywhere,
    load_i64,
    load_u32,
    store_b8x32,
    store_f32,
    store_f32x8,
    store_u32,
)
from mistralrs_plugins.kernels.cpu.jit.vocabulary import (
    dot_i8_i8,
    dot_u8_i8,
    pair_sums,
    products_u8_i8,
    with_sign_of,
)
from mistralrs_plugins.kernels.cpu.kernels import blocks32, kquants
from mistralrs_plugins.kernels.cpu.kernels.activations import block_place
from mistralrs_plugins.kernels.cpu.kernels.layout import BlockLayout

Kernel = Callable[[int, int, int], None]

TILE_FROM = 8
"""Rows of activations from which unpacking eight weight rows at once is faster (measured)."""


def layout_of(name: str) -> BlockLayout:
    """The description of a layout by the name that files and the core know it by."""
    found: BlockLayout = getattr(blocks32 if name.endswith(("_0", "_1")) else kquants, name.upper())
    return found


def make_blocks(layout: BlockLayout) -> Any:
    """``blocks(w, x, width, first)``: the blocks from ``first`` on of a weight row times a row of activations.

    The result is a vector, whose lanes are still to be added up, and the minima's share.
    """
    block, block_bytes, inside = layout.block, layout.block_bytes, layout.block // 32
    open_block, values, scale, minimum = layout.open_block, layout.values, layout.scale, layout.minimum

    @inline
    def signed(p: Any, h: Any, j: Any, x: Any, width: Any, at: Any) -> Any:
        sums = to_float(dot_i8_i8(values(p, j), load_b8x32(x + 32 * at)))
        return sums * splat(scale(p, h, j) * load_f32(x + width + 8 * at)), np.float32(0)

    @inline
    def groups_of_32(p: Any, h: Any, j: Any, x: Any, width: Any, at: Any) -> Any:
        sums, factors = to_float(dot_u8_i8(values(p, j), load_b8x32(x + 32 * at))), x + width + 8 * at
        return sums * splat(scale(p, h, j) * load_f32(factors)), minimum(p, h, j) * load_f32(factors + 4)

    @inline
    def groups_of_16(p: Any, h: Any, j: Any, x: Any, width: Any, at: Any) -> Any:
        # Each lane sums four neighbours, so the lower four lanes are the first group of 16.
        sums = to_float(dot_u8_i8(values(p, j), load_b8x32(x + 32 * at)))
        x_scale, x_sums = load_f32(x + width + 8 * at), x + width + width // 4 + 8 * at
        scales = halves(scale(p, h, 2 * j) * x_scale, scale(p, h, 2 * j + 1) * x_scale)
        low = minimum(p, h, 2 * j) * load_f32(x_sums) + minimum(p, h, 2 * j + 1) * load_f32(x_sums + 4)
        return sums * scales, low

    @inline
    def signed_groups_of_16(p: Any, h: Any, j: Any, x: Any, width: Any, at: Any) -> Any:
        sums, x_scale = to_float(dot_i8_i8(values(p, j), load_b8x32(x + 32 * at))), load_f32(x + width + 8 * at)
        return sums * halves(scale(p, h, 2 * j) * x_scale, scale(p, h, 2 * j + 1) * x_scale), np.float32(0)

    if layout.signed:
        one_group = signed if layout.group == 32 else signed_groups_of_16
    else:
        one_group = groups_of_32 if layout.group == 32 else groups_of_16

    @inline
    def blocks(w: Any, x: Any, width: Any, first: Any) -> Any:
        total, minima = splat(np.float32(0)), np.float32(0)
        for b in range(first, width // block):
            p = w + b * block_bytes
            h = open_block(p)
            for j in range(inside):
                scaled, low = one_group(p, h, j, x, width, b * inside + j)
                total += scaled
                minima += low
        return total, minima

    return blocks


@inline
def _no_minimum(p: Any, h: Any, g: Any) -> Any:
    return np.float32(0)


@inline
def _unsigned_pair(low: Any, high: Any, x: Any) -> Any:
    """Both halves of two blocks; their products' sums fit into 16 bits together."""
    return pair_sums(products_u8_i8(low, load_b8x32(x)) + products_u8_i8(high, load_b8x32(x + 32)))


@inline
def _signed_pair(low: Any, high: Any, x: Any) -> Any:
    return dot_i8_i8(low, load_b8x32(x)) + dot_i8_i8(high, load_b8x32(x + 32))


def make_dot(layout: BlockLayout) -> Any:
    """``dot(w, x, width)``: one weight row at ``w`` times one row of activations at ``x``.

    Small blocks go in fours (see :mod:`.blocks32` and the paired order of :mod:`.activations`): the factors of all
    four are multiplied at once, and the integer sums of two blocks share a vector, one in each half.
    """
    blocks = make_blocks(layout)
    if not layout.paired:

        @inline
        def dot(w: Any, x: Any, width: Any) -> Any:
            total, minima = blocks(w, x, width, 0)
            return lane_sum(total) + minima

        return dot

    block_bytes, four_factors, two_blocks = layout.block_bytes, layout.four_factors, layout.two_blocks
    open_block, scale, low_of = layout.open_block, layout.scale, layout.minimum or _no_minimum
    pair = _signed_pair if layout.signed else _unsigned_pair

    @inline
    def two(p: Any, x: Any, factors: Any) -> Any:
        """Two neighbouring blocks by themselves."""
        q = p + block_bytes
        h, i = open_block(p), open_block(q)
        low, high = two_blocks(p, block_bytes)
        scales = halves(scale(p, h, 0) * load_f32(factors), scale(q, i, 0) * load_f32(factors + 8))
        minima = low_of(p, h, 0) * load_f32(factors + 4) + low_of(q, i, 0) * load_f32(factors + 12)
        return to_float(pair(low, high, x)) * scales, minima

    @inline
    def dot_in_fours(w: Any, x: Any, width: Any) -> Any:
        fours = width // 128
        total = other = minima = splat(np.float32(0))
        low = np.float32(0)
        for f in range(fours):
            p, q = w + 4 * block_bytes * f, x + 128 * f
            # Lanes: scale, minimum of a, b, c, d, times scale, sum of the activations' blocks.
            factors = four_factors(p) * load_f32x8(x + width + 32 * f)
            a0c0, a1c1 = two_blocks(p, 2 * block_bytes)
            b0d0, b1d1 = two_blocks(p + block_bytes, 2 * block_bytes)
            total += to_float(pair(a0c0, a1c1, q)) * first_of_halves(factors)
            other += to_float(pair(b0d0, b1d1, q + 64)) * third_of_halves(factors)
            minima += factors
        done = 4 * fours
        if width // 32 - done >= 2:
            more, low = two(w + block_bytes * done, x + 32 * done, x + width + 8 * done)
            total += more
            done += 2
        if width // 32 > done:
            more, last = blocks(w, x, width, done)
            total += more
            low += last
        return lane_sum(total + other + odd_lanes(minima)) + low

    return dot_in_fours


def make_unpack(layout: BlockLayout) -> Any:
    """``unpack(w, width, tile, row)``: one weight row into lane ``row`` of a tile of eight.

    A tile is, for every 32 values, eight vectors of four values from each row; then for every group the eight scales,
    and in another part the eight minima.
    """
    block, block_bytes, inside, group = layout.block, layout.block_bytes, layout.block // 32, layout.group
    open_block, values, scale, signed = layout.open_block, layout.values, layout.scale, layout.signed
    groups = block // group
    minimum = scale if signed else layout.minimum  # a signed type's minima are not read

    @part
    def unpack(w: Any, width: Any, tile: Any, row: Any) -> None:
        scales = tile + 8 * width
        minima = scales + 32 * (width // group)
        spare = minima + 32 * (width // group)
        for b in range(width // block):
            p = w + b * block_bytes
            h = open_block(p)
            for j in range(inside):
                store_b8x32(spare, values(p, j))
                fours = tile + 256 * (b * inside + j) + 4 * row
                for i in range(8):
                    store_u32(fours + 32 * i, load_u32(spare + 4 * i))
            for g in range(groups):
                store_f32(scales + 32 * (b * groups + g) + 4 * row, scale(p, h, g))
                store_f32(minima + 32 * (b * groups + g) + 4 * row, minimum(p, h, g))

    return unpack


@inline
def _unsigned_products(w: Any, x: Any) -> Any:
    return products_u8_i8(w, x)


@inline
def _signed_products(w: Any, x: Any) -> Any:
    return products_u8_i8(with_sign_of(w, w), with_sign_of(x, w))


def make_tile(layout: BlockLayout) -> Any:
    """``tile(tile, width, x0, x1, x2, x3)``: eight unpacked rows times four rows of activations."""
    group, run, signed, paired = layout.group, layout.run, layout.signed, 1 if layout.paired else 0
    runs, groups = group // 4 // run, 32 // group
    products = _signed_products if signed else _unsigned_products
    with_minima = 0 if signed else 1

    @part
    def tile(tile: Any, width: Any, x0: Any, x1: Any, x2: Any, x3: Any) -> Any:
        scales = tile + 8 * width
        minima = scales + 32 * (width // group)
        sums = width if groups == 1 else width + width // 4  # behind a block's scale, or one for each half
        y0 = y1 = y2 = y3 = splat(np.float32(0))
        for b in range(width // 32):
            place, distance = block_place(b, width // 32, paired)
            for g in range(groups):
                i0 = i1 = i2 = i3 = zeros_i32()
                for r in range(runs):
                    a0 = a1 = a2 = a3 = zeros_i16()
                    for q in range(run):
                        four = (g * runs + r) * run + q
                        at = place + (four >> 2) * distance + 4 * (four & 3)
                        w = load_b8x32(tile + 256 * b + 32 * four)
                        a0 += products(w, load_four_bytes_everywhere(x0 + at))
                        a1 += products(w, load_four_bytes_everywhere(x1 + at))
                        a2 += products(w, load_four_bytes_everywhere(x2 + at))
                        a3 += products(w, load_four_bytes_everywhere(x3 + at))
                    i0 += pair_sums(a0)
                    i1 += pair_sums(a1)
                    i2 += pair_sums(a2)
                    i3 += pair_sums(a3)
                scale, x_scale = load_f32x8(scales + 32 * (b * groups + g)), width + 8 * b
                y0 += to_float(i0) * (scale * splat(load_f32(x0 + x_scale)))
                y1 += to_float(i1) * (scale * splat(load_f32(x1 + x_scale)))
                y2 += to_float(i2) * (scale * splat(load_f32(x2 + x_scale)))
                y3 += to_float(i3) * (scale * splat(load_f32(x3 + x_scale)))
                if with_minima:
                    minimum = load_f32x8(minima + 32 * (b * groups + g))
                    x_sum = sums + 8 * b + (4 if groups == 1 else 4 * g)
                    y0 += minimum * splat(load_f32(x0 + x_sum))
                    y1 += minimum * splat(load_f32(x1 + x_sum))
                    y2 += minimum * splat(load_f32(x2 + x_sum))
                    y3 += minimum * splat(load_f32(x3 + x_sum))
        return y0, y1, y2, y3

    return tile


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
def finish_eight(value: Any, args: Any, token: Any, row: Any, count: Any, spare: Any) -> None:
    """The same for up to eight neighbours; ``spare`` is room for eight floats."""
    if count < 8:
        store_f32x8(spare, value)
        for i in range(count):
            finish(load_f32(spare + 4 * i), args, token, row + i)
        return
    residual, bias = load_i64(args + 72), load_i64(args + 88)
    if bias != 0:
        value += load_f32x8(bias + 4 * row)
    if residual != 0:
        value += load_f32x8(residual + token * load_i64(args + 80) + 4 * row)
    store_f32x8(load_i64(args + 56) + token * load_i64(args + 64) + 4 * row, value)


def make_product(name: str) -> Kernel:
    """The kernel for weights in the layout ``name``. A chunk is some weight rows, for all rows of activations.

    Arguments: address of the number of activation rows; activations, their stride; width; weights, bytes of a row,
    rows; output, its stride; residual (0: none), its stride; bias (0: none); weight rows in a chunk, a multiple of 8;
    scratch memory, its size for each thread (see :func:`scratch_bytes`).
    """
    layout = layout_of(name)
    dot, unpack, multiply = make_dot(layout), make_unpack(layout), make_tile(layout)
    spare_from = 8 + 64 // layout.group  # what lies before it: values, scales and minima, in widths

    @part
    def by_rows(args: Any, first: Any, last: Any, count: Any) -> None:
        x, stride, width = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
        weights, row_bytes = load_i64(args + 32), load_i64(args + 40)
        for row in range(first, last):
            for token in range(count):
                finish(dot(weights + row * row_bytes, x + token * stride, width), args, token, row)

    @part
    def by_tiles(args: Any, first: Any, last: Any, count: Any, tile: Any) -> None:
        x, stride, width = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
        weights, row_bytes = load_i64(args + 32), load_i64(args + 40)
        spare = tile + spare_from * width
        for row in range(first, last, 8):
            for i in range(8):
                unpack(weights + min(row + i, last - 1) * row_bytes, width, tile, i)
            rows = min(8, last - row)
            for token in range(0, count, 4):
                # The last four may reach beyond the end: the last row is then computed again, with the same result.
                x0, x1 = x + token * stride, x + min(token + 1, count - 1) * stride
                x2, x3 = x + min(token + 2, count - 1) * stride, x + min(token + 3, count - 1) * stride
                y0, y1, y2, y3 = multiply(tile, width, x0, x1, x2, x3)
                finish_eight(y0, args, token, row, rows, spare)
                finish_eight(y1, args, min(token + 1, count - 1), row, rows, spare)
                finish_eight(y2, args, min(token + 2, count - 1), row, rows, spare)
                finish_eight(y3, args, min(token + 3, count - 1), row, rows, spare)

    def product(args: int, chunk: int, thread: int) -> None:
        count = load_i64(load_i64(args))
        each = load_i64(args + 96)
        first = chunk * each
        last = min(first + each, load_i64(args + 48))
        if count < TILE_FROM:
            by_rows(args, first, last, count)
        else:
            by_tiles(args, first, last, count, load_i64(args + 104) + thread * load_i64(args + 112))

    return product
