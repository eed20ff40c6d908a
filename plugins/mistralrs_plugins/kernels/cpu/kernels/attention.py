"""Attention over the paged cache with an online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867).

Work is cut into items: some tokens of one sequence with a range of keys. An item and a key head make a chunk, so that
keys and values are read once for all query heads of their group. The chunk goes over its keys in tiles of 32: scores
of all its query rows, running maximum and sum of each row, then the weighted sum of the tile's values. A decode token
over a long past is split into several ranges of keys, whose partial results :func:`merge` puts together.

Rows, tiles and results lie in scratch memory, padded with zeros to multiples of 32 numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import eight_sums, first_lane, lane_max, lane_sum, larger, splat
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_f32,
    load_f32x8,
    load_i64,
    prefetch,
    store_f32,
    store_f32x8,
    store_i64,
)
from mistralrs_plugins.kernels.cpu.kernels.cache import STORED
from mistralrs_plugins.kernels.cpu.kernels.functions import exp, tanh

Kernel = Callable[[int, int, int], None]

TILE = 32
"""Keys looked at together."""
ITEM_WORDS = 8
_TRANSPOSE_FROM = 8  # query rows from which a transposed tile of keys pays
_NOTHING = np.float32(-1e30)  # a maximum before any key was seen


def plan(args: int) -> None:
    """Cut a step's attention into items and merges.

    Arguments: sequences; int64 bounds of each one's new tokens; int64 lengths of their contexts; most tokens of an
    item; wanted number of items; fewest keys of a split; items (sequence, token, tokens, position, first key, last
    key, number of the partial result or -1); merges (token, first partial result, number); two words for the counts.
    """
    seqs, starts, contexts = load_i64(args), load_i64(args + 8), load_i64(args + 16)
    most, wanted, shortest = load_i64(args + 24), load_i64(args + 32), load_i64(args + 40)
    item, merge, counts = load_i64(args + 48), load_i64(args + 56), load_i64(args + 64)
    items, merges, partials = 0, 0, 0
    for seq in range(seqs):
        start, stop = load_i64(starts + 8 * seq), load_i64(starts + 8 * seq + 8)
        context = load_i64(contexts + 8 * seq)
        splits = max(1, min(wanted // seqs, context // shortest)) if stop - start == 1 else 1
        if splits > 1:
            store_i64(merge, start)
            store_i64(merge + 8, partials)
            store_i64(merge + 16, splits)
            merge += 24
            merges += 1
        for token in range(start, stop, most):
            tokens = min(most, stop - token)
            position = context - stop + token
            for split in range(splits):
                keys = position + tokens if splits == 1 else context
                store_i64(item, seq)
                store_i64(item + 8, token)
                store_i64(item + 16, tokens)
                store_i64(item + 24, position)
                store_i64(item + 32, keys * split // splits)
                store_i64(item + 40, keys * (split + 1) // splits)
                store_i64(item + 48, partials if splits > 1 else -1)
                partials += 1 if splits > 1 else 0
                item += 8 * ITEM_WORDS
                items += 1
    store_i64(counts, items)
    store_i64(counts + 8, merges)


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
    """One query row with each key: the direct way, good for few rows. Keys up to the next multiple of 8 are zero."""
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


@part
def _transpose(k: Any, width: Any, target: Any) -> None:
    """A tile of 32 keys of ``width`` floats as ``width`` rows of 32."""
    for t in range(TILE):
        for i in range(width):
            store_f32(target + 4 * (TILE * i + t), load_f32(k + 4 * (t * width + i)))


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
    """The kernel for a cache of ``kind``. A chunk is an item (see :func:`plan`) with one key head.

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
        count: Any,
        head: Any,
        heads: Any,
        dim: Any,
        target: Any,
        width: Any,
    ) -> None:
        """``count`` keys or values of one head from position ``first`` on, as floats, padded with zeros."""
        whole = dim // 8 * 8
        entry, place = table + 8 * (first // block_size), first % block_size
        for t in range(count):
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
                to = load_i64(load_i64(args + 144)) + 4 * query_head * (v_dim + 2)
                store_f32(to + 4 * v_dim, load_f32(state + 8 * r))
                store_f32(to + 4 * v_dim + 4, weight)
                factor = np.float32(1)
            for i in range(v_dim):
                store_f32(to + 4 * i, load_f32(out + 4 * (r * v_width + i)) * factor)

    def attend(args: int, chunk: int, thread: int) -> None:
        kv_heads, group, dim, v_dim = load_i64(args + 8), load_i64(args + 16), load_i64(args + 24), load_i64(args + 32)
        item, head = load_i64(load_i64(args)) + 8 * ITEM_WORDS * (chunk // kv_heads), chunk % kv_heads
        token, tokens, position = load_i64(item + 8), load_i64(item + 16), load_i64(item + 24)
        rows, width, v_width = tokens * group, (dim + 31) // 32 * 32, (v_dim + 31) // 32 * 32
        room = rows + (rows & 1)
        q = load_i64(args + 152) + thread * load_i64(args + 160)
        out = q + 4 * room * width
        scores = out + 4 * room * v_width
        state = scores + 4 * room * TILE
        k = state + 8 * room
        turned = k + 4 * TILE * width
        v = turned + 4 * TILE * width
        table = load_i64(load_i64(args + 88)) + 8 * load_i64(item) * load_i64(load_i64(args + 96))
        block_size, blocks, window = load_i64(args + 104), load_i64(args + 112), load_i64(args + 120)
        cap = load_f32(args + 136)

        source = load_i64(args + 40) + token * load_i64(args + 48) + 4 * head * group * dim
        _load_queries(source, load_i64(args + 48), tokens, group, dim, load_f32(args + 128), q, width)
        if rows & 1:
            _fill(q + 4 * rows * width, width, np.float32(0))
            _fill(scores + 4 * rows * TILE, TILE, np.float32(0))
        _fill(out, room * v_width, np.float32(0))
        for r in range(room):
            store_f32(state + 8 * r, _NOTHING)
            store_f32(state + 8 * r + 4, np.float32(0))
        first, last, stretch = load_i64(item + 32), load_i64(item + 40), load_i64(args + 176)
        if window > 0:
            first = max(first, position - window + 1)
        if stretch > 0:
            first = max(first, position // stretch * stretch)
        for at in range(first, last, TILE):
            keys = min(TILE, last - at)
            gather(load_i64(args + 72), table, block_size, blocks, at, keys, head, kv_heads, dim, k, width)
            gather(load_i64(args + 80), table, block_size, blocks, at, keys, head, kv_heads, v_dim, v, v_width)
            if rows < _TRANSPOSE_FROM:
                more, after = max(0, min(TILE, last - at - TILE)), at + TILE
                fetch_ahead(load_i64(args + 72), table, block_size, blocks, after, more, size * dim, head, kv_heads)
                fetch_ahead(load_i64(args + 80), table, block_size, blocks, after, more, size * v_dim, head, kv_heads)
            if rows >= _TRANSPOSE_FROM:
                _transpose(k, width, turned)
                _fill(scores, room * TILE, np.float32(0))
                for r in range(0, rows, 2):
                    row, to = q + 4 * r * width, scores + 4 * r * TILE
                    _add_product(row, row + 4 * width, width, turned, 4 * TILE, to, to + 4 * TILE)
            else:
                for r in range(rows):
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
        finish(args, item, head, rows, group, v_dim, v_width, out, state)

    return attend


def merge(args: int, chunk: int, thread: int) -> None:
    """Put one token's partial results together, one head a chunk. Arguments: address of the address of the merges;
    heads, value size; address of the address of the partial results; target, its stride; sinks (0: none)."""
    heads, v_dim = load_i64(args + 8), load_i64(args + 16)
    entry, head = load_i64(load_i64(args)) + 24 * (chunk // heads), chunk % heads
    parts, size = load_i64(entry + 16), 4 * (v_dim + 2)
    first = load_i64(load_i64(args + 24)) + (load_i64(entry + 8) * heads + head) * size
    target = load_i64(args + 32) + load_i64(entry) * load_i64(args + 40) + 4 * head * v_dim
    maximum = _NOTHING
    for index in range(parts):
        maximum = max(maximum, load_f32(first + index * heads * size + 4 * v_dim))
    for i in range(v_dim):
        store_f32(target + 4 * i, np.float32(0))
    total = np.float32(0)
    for index in range(parts):
        at = first + index * heads * size
        share = first_lane(exp(splat(load_f32(at + 4 * v_dim) - maximum)))
        total += share * load_f32(at + 4 * v_dim + 4)
        for i in range(v_dim):
            store_f32(target + 4 * i, load_f32(target + 4 * i) + share * load_f32(at + 4 * i))
    factor = share_of_all(maximum, total, load_i64(args + 48), head)
    for i in range(v_dim):
        store_f32(target + 4 * i, load_f32(target + 4 * i) * factor)
