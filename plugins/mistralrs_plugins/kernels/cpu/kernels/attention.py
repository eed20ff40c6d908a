"""Attention over the paged cache with an online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867).

Work is cut into items (``cuts.py``): some tokens of one sequence with a range of keys. An item and a key head make a
chunk, so that keys and values are read once for all query heads of their group. The chunk goes over its keys in tiles
of 32: scores of all its query rows, running maximum and sum of each row, then the weighted sum of the tile's values.
Tiles, and the segments of keys whose results are joined one after another, begin at fixed positions. A token's result
is therefore the same, bit for bit, alone or within a prompt, and whether one thread takes its segments or several do,
whose partial results :func:`merge` joins.

Rows, tiles and results lie in scratch memory, padded with zeros to multiples of 32 numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import eight_sums, first_lane, halves, lane_max, lane_sum, larger, splat
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_f32,
    load_f32x8,
    load_i64,
    prefetch,
    store_f32,
    store_f32x8,
)
from mistralrs_plugins.kernels.cpu.kernels.cache import STORED
from mistralrs_plugins.kernels.cpu.kernels.functions import exp, tanh
from mistralrs_plugins.kernels.cpu.kernels.sizes import ITEM_WORDS, SEGMENT

Kernel = Callable[[int, int, int], None]

TILE = 32
"""Keys looked at together."""
_MANY_ROWS = 8  # query rows from which computing takes longer than fetching keys
_NOTHING = np.float32(-1e30)  # a maximum before any key was seen


@part
def _add_product(a0: Any, a1: Any, depth: Any, b: Any, stride: Any, c0: Any, c1: Any) -> None:
    """Add two rows of ``depth`` floats times a matrix of ``depth`` rows and 32 columns to ``c0`` and ``c1``."""
    x0, x1, x2, x3 = load_f32x8(c0), load_f32x8(c0 + 32), load_f32x8(c0 + 64), load_f32x8(c0 + 96)
    y0, y1, y2, y3 = load_f32x8(c1), load_f32x8(c1 + 32), load_f32x8(c1 + 64), load_f32x8(c1 + 96)
    for i in range(depth):
        row = b + i * stride
        x, y = splat(load_f32(a0 + 4 * i)), splat(load_f32(a1 + 4 * i))
        b0, b1, b2, b3 = load_f32x8(row), load_f32x8(row + 32), load_f32x8(row + 64), load_f32x8(row + 96)
        x0 += x * b0
        x1 += x * b1
        x2 += x * b2
        x3 += x * b3
        y0 += y * b0
        y1 += y * b1
        y2 += y * b2
        y3 += y * b3
    store_f32x8(c0, x0)
    store_f32x8(c0 + 32, x1)
    store_f32x8(c0 + 64, x2)
    store_f32x8(c0 + 96, x3)
    store_f32x8(c1, y0)
    store_f32x8(c1 + 32, y1)
    store_f32x8(c1 + 64, y2)
    store_f32x8(c1 + 96, y3)


@inline
def _fill(target: Any, count: Any, value: Any) -> None:
    """``count`` floats, a multiple of 8, of one value."""
    for i in range(0, count, 8):
        store_f32x8(target + 4 * i, splat(value))


@part
def _scores(q: Any, k: Any, keys: Any, width: Any, scores: Any) -> None:
    """One query row with each key, up to the next multiple of 8, where keys are zero.

    The order of every sum is that of :func:`_scores_of_two`, bit for bit: a token's attention must not depend on
    how many others are computed beside it.
    """
    row = 4 * width
    for t in range(0, keys, 8):
        at = k + t * row
        a = b = c = d = e = f = g = h = splat(np.float32(0))
        for i in range(0, row, 32):
            x = load_f32x8(q + i)
            a, b = a + x * load_f32x8(at + i), b + x * load_f32x8(at + row + i)
            c, d = c + x * load_f32x8(at + 2 * row + i), d + x * load_f32x8(at + 3 * row + i)
            e, f = e + x * load_f32x8(at + 4 * row + i), f + x * load_f32x8(at + 5 * row + i)
            g, h = g + x * load_f32x8(at + 6 * row + i), h + x * load_f32x8(at + 7 * row + i)
        store_f32x8(scores + 4 * t, eight_sums(a, b, c, d, e, f, g, h))


@inline
def _four_of_two(q: Any, at: Any, row: Any) -> Any:
    """Two query rows with four keys: the first's scores in the lower half."""
    a = b = c = d = e = f = g = h = splat(np.float32(0))
    for i in range(0, row, 32):
        x, y = load_f32x8(q + i), load_f32x8(q + row + i)
        k0, k1 = load_f32x8(at + i), load_f32x8(at + row + i)
        k2, k3 = load_f32x8(at + 2 * row + i), load_f32x8(at + 3 * row + i)
        a, b, c, d = a + x * k0, b + x * k1, c + x * k2, d + x * k3
        e, f, g, h = e + y * k0, f + y * k1, g + y * k2, h + y * k3
    return eight_sums(a, b, c, d, e, f, g, h)


@part
def _scores_of_two(q: Any, k: Any, keys: Any, width: Any, scores: Any) -> None:
    """Two query rows, one behind the other, with each key: half as many loads as one row after another."""
    row = 4 * width
    for t in range(0, keys, 8):
        x, y = _four_of_two(q, k + t * row, row), _four_of_two(q, k + (t + 4) * row, row)
        store_f32x8(scores + 4 * t, halves(x, y, 0))
        store_f32x8(scores + 4 * (t + TILE), halves(x, y, 1))


@part
def _softmax_step(scores: Any, low: Any, high: Any, cap: Any, state: Any, out: Any, width: Any) -> None:
    """Turn a row's scores into weights of the keys from ``low`` to before ``high``, zero for the others.

    ``state`` holds the row's maximum and sum so far; they, and the weighted sum of values at ``out``, are brought to
    the new maximum.
    """
    for t in range(low):
        store_f32(scores + 4 * t, _NOTHING)
    for t in range(high, TILE):
        store_f32(scores + 4 * t, _NOTHING)
    if cap != np.float32(0):
        for t in range(0, TILE, 8):
            capped = splat(cap) * tanh(load_f32x8(scores + 4 * t) / splat(cap))
            store_f32x8(scores + 4 * t, capped)
        for t in range(low):
            store_f32(scores + 4 * t, _NOTHING)
        for t in range(high, TILE):
            store_f32(scores + 4 * t, _NOTHING)
    top = larger(
        larger(load_f32x8(scores), load_f32x8(scores + 32)), larger(load_f32x8(scores + 64), load_f32x8(scores + 96))
    )
    before = load_f32(state)
    maximum = max(before, lane_max(top))
    shrink = exp(splat(before - maximum))
    total = splat(np.float32(0))
    for t in range(0, TILE, 8):
        weight = exp(load_f32x8(scores + 4 * t) - splat(maximum))
        store_f32x8(scores + 4 * t, weight)
    for t in range(low):
        store_f32(scores + 4 * t, np.float32(0))
    for t in range(high, TILE):
        store_f32(scores + 4 * t, np.float32(0))
    for t in range(0, TILE, 8):
        total += load_f32x8(scores + 4 * t)
    store_f32(state, maximum)
    store_f32(state + 4, load_f32(state + 4) * first_lane(shrink) + lane_sum(total))
    for i in range(0, width, 8):
        store_f32x8(out + 4 * i, load_f32x8(out + 4 * i) * shrink)


@part
def _clear(out: Any, state: Any, width: Any) -> None:
    """Begin a row's weighted sum of values: no key was seen."""
    _fill(out, width, np.float32(0))
    store_f32(state, _NOTHING)
    store_f32(state + 4, np.float32(0))


@part
def _join(whole: Any, whole_state: Any, out: Any, state: Any, width: Any) -> None:
    """Add the weighted sum of the next segment's values to that of all before. One function for all that do it, so
    that all round alike."""
    before, here = load_f32(whole_state), load_f32(state)
    maximum = max(before, here)
    shrink, share = exp(splat(before - maximum)), exp(splat(here - maximum))
    store_f32(whole_state, maximum)
    total = load_f32(whole_state + 4) * first_lane(shrink)
    store_f32(whole_state + 4, total + load_f32(state + 4) * first_lane(share))
    for i in range(0, 4 * width, 32):
        store_f32x8(whole + i, load_f32x8(whole + i) * shrink + load_f32x8(out + i) * share)


@inline
def share_of_all(maximum: Any, total: Any, sinks: Any, head: Any) -> Any:
    """What a weighted sum of values is multiplied by: one over the sum of all weights, the sink's among them.

    ``total`` is the sum of the keys' weights relative to the score ``maximum``.
    """
    if sinks == 0:
        return np.float32(1) / total
    sink = load_f32(sinks + 4 * head)
    top = max(maximum, sink)
    shrink = first_lane(exp(splat(maximum - top)))
    return shrink / (total * shrink + first_lane(exp(splat(sink - top))))


@part
def _load_queries(source: Any, stride: Any, tokens: Any, heads: Any, dim: Any, scale: Any, q: Any, width: Any) -> None:
    """The item's query rows, scaled, one after another, padded with zeros."""
    for token in range(tokens):
        for head in range(heads):
            row, at = q + 4 * width * (token * heads + head), source + token * stride + 4 * head * dim
            for i in range(dim):
                store_f32(row + 4 * i, load_f32(at + 4 * i) * scale)
            for i in range(dim, width):
                store_f32(row + 4 * i, np.float32(0))


def make_attend(kind: str) -> Kernel:
    """The kernel for a cache of ``kind``. A chunk is an item (see ``cuts.py``) with one key head.

    Arguments: 0 address of the address of the items; 1 key heads, 2 query heads of each, 3 key size, 4 value size;
    5 queries, 6 their stride; 7 target, 8 its stride; 9 keys, 10 values of the cache; 11 address of the address of the
    block table, 12 address of its width; 13 tokens of a block, 14 blocks; 15 window (0: none), 16 scale, 17 soft cap
    (0: none); 18 address of the address of the partial results; 19 scratch memory, 20 its size for each thread;
    21 one more score for each head, which adds no value (0: none); 22 length of chunks of the past (0: none).
    """
    load_eight, load_one, _, _, size = STORED[kind]

    @part
    def gather(
        pool: Any,
        table: Any,
        block_size: Any,
        blocks: Any,
        first: Any,
        skip: Any,
        count: Any,
        head: Any,
        heads: Any,
        dim: Any,
        target: Any,
        width: Any,
    ) -> None:
        """A tile of keys or values of one head, as floats: zeros for ``skip`` positions from ``first`` on, those of
        the next up to ``first + count``, and zeros."""
        whole = dim // 8 * 8
        entry, place = table + 8 * ((first + skip) // block_size), (first + skip) % block_size
        _fill(target, skip * width, np.float32(0))
        for t in range(skip, count):
            block = load_i64(entry)
            if block < 0 or block >= blocks:
                block = 0
            row = pool + size * dim * ((block * block_size + place) * heads + head)
            place += 1
            if place == block_size:
                entry, place = entry + 8, 0
            to = target + 4 * t * width
            if dim == width:
                for i in range(0, width, 32):
                    store_f32x8(to + 4 * i, load_eight(row + size * i))
                    store_f32x8(to + 4 * i + 32, load_eight(row + size * (i + 8)))
                    store_f32x8(to + 4 * i + 64, load_eight(row + size * (i + 16)))
                    store_f32x8(to + 4 * i + 96, load_eight(row + size * (i + 24)))
                continue
            for i in range(0, whole, 8):
                store_f32x8(to + 4 * i, load_eight(row + size * i))
            for i in range(whole, dim):
                store_f32(to + 4 * i, load_one(row + size * i))
            for i in range(dim, width):
                store_f32(to + 4 * i, np.float32(0))
        for i in range(count * width, TILE * width):
            store_f32(target + 4 * i, np.float32(0))

    @part
    def fetch_ahead(
        pool: Any,
        table: Any,
        block_size: Any,
        blocks: Any,
        first: Any,
        count: Any,
        row_bytes: Any,
        head: Any,
        heads: Any,
    ) -> None:
        """Ask for what :func:`gather` reads next: its rows lie apart, so the processor would not."""
        for t in range(first, first + count):
            block = load_i64(table + 8 * (t // block_size))
            if block >= 0 and block < blocks:
                row = pool + row_bytes * ((block * block_size + t % block_size) * heads + head)
                for line in range(0, row_bytes, 64):
                    prefetch(row + line)

    @part
    def finish(
        args: Any, item: Any, head: Any, rows: Any, group: Any, v_dim: Any, v_width: Any, out: Any, state: Any
    ) -> None:
        """Results, divided by the sum of their weights; or as a partial result with maximum and sum behind it."""
        token, partial, kv_heads = load_i64(item + 8), load_i64(item + 48), load_i64(args + 8)
        for r in range(rows):
            weight = load_f32(state + 8 * r + 4)
            if partial < 0:
                query_head = head * group + r % group
                to = load_i64(args + 56) + (token + r // group) * load_i64(args + 64) + 4 * query_head * v_dim
                factor = share_of_all(load_f32(state + 8 * r), weight, load_i64(args + 168), query_head)
            else:
                query_head = (partial * kv_heads + head) * group + r
                to = load_i64(load_i64(args + 144)) + 4 * query_head * (v_width + 2)
                store_f32(to + 4 * v_width, load_f32(state + 8 * r))
                store_f32(to + 4 * v_width + 4, weight)
                for i in range(0, v_width, 8):
                    store_f32x8(to + 4 * i, load_f32x8(out + 4 * (r * v_width + i)))
                continue
            for i in range(v_dim):
                store_f32(to + 4 * i, load_f32(out + 4 * (r * v_width + i)) * factor)

    def attend(args: int, chunk: int, thread: int) -> None:
        kv_heads, group, dim, v_dim = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24), load_i64(args + 32)
        item, head = load_i64(load_i64(args)) + 8 * ITEM_WORDS * (chunk // kv_heads), chunk % kv_heads
        token, tokens, position = load_i64(item + 8), load_i64(item + 16), load_i64(item + 24)
        rows, width, v_width = tokens * group, (dim + 31) // 32 * 32, (v_dim + 31) // 32 * 32
        room = rows + (rows & 1)
        q = load_i64(args + 152) + thread * load_i64(args + 160)
        out = q + 4 * rows * width
        scores = out + 4 * room * v_width
        state = scores + 4 * room * TILE
        whole = state + 8 * room
        whole_state = whole + 4 * rows * v_width
        k = whole_state + 8 * rows
        v = k + 4 * TILE * width
        table = load_i64(load_i64(args + 88)) + 8 * load_i64(item) * load_i64(load_i64(args + 96))
        block_size, blocks, window = load_i64(args + 104), load_i64(args + 112), load_i64(args + 120)
        cap = load_f32(args + 136)

        source = load_i64(args + 40) + token * load_i64(args + 48) + 4 * head * group * dim
        _load_queries(source, load_i64(args + 48), tokens, group, dim, load_f32(args + 128), q, width)
        if rows & 1:
            _fill(scores + 4 * rows * TILE, TILE, np.float32(0))
        for r in range(room):
            _clear(out + 4 * r * v_width, state + 8 * r, v_width)
        for r in range(rows):
            _clear(whole + 4 * r * v_width, whole_state + 8 * r, v_width)
        first, last, stretch = load_i64(item + 32), load_i64(item + 40), load_i64(args + 176)
        if window > 0:
            first = max(first, position - window + 1)
        if stretch > 0:
            first = max(first, position // stretch * stretch)
        for at in range(first // TILE * TILE, last, TILE):
            skip, keys = max(0, first - at), min(TILE, last - at)
            gather(load_i64(args + 72), table, block_size, blocks, at, skip, keys, head, kv_heads, dim, k, width)
            gather(load_i64(args + 80), table, block_size, blocks, at, skip, keys, head, kv_heads, v_dim, v, v_width)
            if rows < _MANY_ROWS:
                more, after = max(0, min(TILE, last - at - TILE)), at + TILE
                fetch_ahead(load_i64(args + 72), table, block_size, blocks, after, more, size * dim, head, kv_heads)
                fetch_ahead(load_i64(args + 80), table, block_size, blocks, after, more, size * v_dim, head, kv_heads)
            pairs = rows // 2 if rows >= _MANY_ROWS else 0
            for r in range(pairs):
                _scores_of_two(q + 8 * r * width, k, keys, width, scores + 8 * r * TILE)
            for r in range(2 * pairs, rows):
                _scores(q + 4 * r * width, k, keys, width, scores + 4 * r * TILE)
            for r in range(rows):
                place = position + r // group
                low = max(0, place - window + 1 - at) if window > 0 else 0
                if stretch > 0:
                    low = max(low, place // stretch * stretch - at)
                high = max(0, min(keys, place + 1 - at))
                low = min(low, high)
                row = out + 4 * r * v_width
                _softmax_step(scores + 4 * r * TILE, low, high, cap, state + 8 * r, row, v_width)
            for r in range(0, rows, 2):
                weights = scores + 4 * r * TILE
                for column in range(0, v_width, 32):
                    to = out + 4 * (r * v_width + column)
                    row = v + 4 * column
                    _add_product(weights, weights + 4 * TILE, keys, row, 4 * v_width, to, to + 4 * v_width)
            if (at + TILE) % SEGMENT == 0 or at + TILE >= last:
                for r in range(rows):
                    of_row, of_state = out + 4 * r * v_width, state + 8 * r
                    _join(whole + 4 * r * v_width, whole_state + 8 * r, of_row, of_state, v_width)
                    _clear(of_row, of_state, v_width)
        finish(args, item, head, rows, group, v_dim, v_width, whole, whole_state)

    return attend


def merge(args: int, chunk: int, thread: int) -> None:
    """Put one token's partial results together, one head a chunk. Arguments: address of the address of the merges;
    heads, value size; address of the address of the partial results; target, its stride; sinks (0: none)."""
    heads, v_dim = load_i64(args + 8), load_i64(args + 16)
    entry, head = load_i64(load_i64(args)) + 24 * (chunk // heads), chunk % heads
    width = (v_dim + 31) // 32 * 32
    size = 4 * (width + 2)
    whole = load_i64(load_i64(args + 24)) + (load_i64(entry + 8) * heads + head) * size
    target = load_i64(args + 32) + load_i64(entry) * load_i64(args + 40) + 4 * head * v_dim
    for index in range(1, load_i64(entry + 16)):
        further = whole + index * heads * size
        _join(whole, whole + 4 * width, further, further + 4 * width, width)
    factor = share_of_all(load_f32(whole + 4 * width), load_f32(whole + 4 * width + 4), load_i64(args + 48), head)
    for i in range(v_dim):
        store_f32(target + 4 * i, load_f32(whole + 4 * i) * factor)
