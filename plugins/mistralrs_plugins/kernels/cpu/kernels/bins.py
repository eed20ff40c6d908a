"""Finds the place in a sorted row of logits at which some limit falls, without sorting the row.

Numbers are counted into *bins* by their distance from the largest, two doubles each: how many they are, and the sum of
their weights. Only a bin in which a limit falls is sorted. Peaks tell which groups need no look.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import any_smaller, magnitude, smaller, splat, truncated
from mistralrs_plugins.kernels.cpu.jit.memory import (
    add_pair,
    load_f32,
    load_f32x8,
    load_f64,
    load_i64,
    load_u32,
    store_counted,
    store_f32,
    store_f32x8,
    store_i32x8,
    store_i64,
)
from mistralrs_plugins.kernels.cpu.kernels.groups import INFINITY, group_at, weights
from mistralrs_plugins.kernels.cpu.kernels.sizes import BINS, DRAW_GROUP

_LAST = np.float32(BINS - 1)


@inline
def _places(x: Any, largest: Any, per_logit: Any) -> Any:
    """How many bins eight logits lie below the largest; the last bin's number at most."""
    return smaller((splat(largest) - x) * splat(per_logit), splat(_LAST))


@inline
def _bin(x: Any, largest: Any, per_logit: Any) -> Any:
    """The bin of one logit, which is :func:`_places` without its fraction, bit for bit."""
    return np.int64(min((largest - x) * per_logit, _LAST))


@inline
def key_of(row: Any, index: Any) -> Any:
    """A number that rises as logits fall, and among equal ones with the index, which is its lower half."""
    bits = load_u32(row + 4 * index)
    falling = 0x7FFFFFFF - bits if bits < 0x80000000 else bits
    return ((falling - 0x80000000) << 32) | index


@part
def clear(bins: Any) -> None:
    """Empty all bins."""
    for i in range(0, 16 * BINS, 32):
        store_f32x8(bins + i, splat(np.float32(0)))


@part
def fill(row: Any, size: Any, peaks: Any, begin: Any, end: Any, largest: Any, rate: Any, per_logit: Any, bins: Any,
    last: Any, known: Any, tile: Any) -> None:  # fmt: skip
    """Count the numbers of groups ``begin`` to before ``end`` and add up their weights, in every bin up to ``last``.

    What is in bins behind is of no meaning. ``peaks`` 0: there are none; ``known`` 0: weights are not known yet.
    ``tile`` has room for a group, and behind it 160 bytes.
    """
    found, places = tile + 4 * DRAW_GROUP, tile + 4 * DRAW_GROUP + 128
    beyond = splat(np.float32(last + 1))
    for g in range(begin, end):
        if peaks != 0 and _bin(load_f32(peaks + 4 * g), largest, per_logit) > last:
            continue
        at = group_at(row, g * DRAW_GROUP, size, tile, -INFINITY)
        for i in range(0, 4 * DRAW_GROUP, 32):
            x = load_f32x8(at + i)
            distance = _places(x, largest, per_logit)
            if any_smaller(distance, beyond):
                store_i32x8(places, truncated(distance, 4))
                if known == 0:
                    store_counted(found, weights(x, largest, rate))
                else:
                    store_counted(found, load_f32x8(known + 4 * DRAW_GROUP * g + i))
                for lane in range(8):
                    add_pair(bins + load_u32(places + 4 * lane), found + 16 * lane)


@part
def merge(bins: Any, others: Any, count: Any, last: Any) -> None:
    """Add ``count`` further sets of bins, up to bin ``last``, one after the other."""
    for other in range(others, others + count * 16 * BINS, 16 * BINS):
        for b in range(0, 16 * (last + 1), 16):
            add_pair(bins + b, other + b)


@part
def depth(bins: Any, last: Any, count: Any, mass: Any) -> Any:
    """The first bin, up to ``last``, by which there are ``count`` numbers or weights of ``mass``."""
    seen = total = 0.0
    for b in range(last):
        seen += load_f64(bins + 16 * b)
        total += load_f64(bins + 16 * b + 8)
        if seen >= count or total >= mass:
            return b
    return last


@part
def _collect(row: Any, size: Any, peaks: Any, largest: Any, per_logit: Any, wanted: Any, keys: Any, tile: Any) -> Any:
    """Write the keys of the numbers in one bin, sorted; returns how many."""
    count = 0
    # What is further from the bin's middle is in another bin, however this is rounded.
    middle = largest - (np.float32(wanted) + np.float32(0.5)) / per_logit
    reach = np.float32(0.51) / per_logit + np.float32(1e-6) * (abs(largest) + abs(middle))
    for g in range((size + DRAW_GROUP - 1) // DRAW_GROUP):
        if _bin(load_f32(peaks + 4 * g), largest, per_logit) > wanted:
            continue
        first = g * DRAW_GROUP
        at = group_at(row, first, size, tile, -INFINITY)
        nearest = splat(INFINITY)
        for i in range(0, 4 * DRAW_GROUP, 32):
            nearest = smaller(magnitude(load_f32x8(at + i) - splat(middle)), nearest)
        if any_smaller(nearest, splat(reach)):
            for i in range(0, DRAW_GROUP, 8):
                if any_smaller(magnitude(load_f32x8(at + 4 * i) - splat(middle)), splat(reach)):
                    for index in range(first + i, min(first + i + 8, size)):
                        if _bin(load_f32(row + 4 * index), largest, per_logit) == wanted:
                            store_i64(keys + 8 * count, key_of(row, index))
                            count += 1
    _sort(keys, count)
    return count


@inline
def _sort(keys: Any, count: Any) -> None:
    """Shell's method (Communications of the ACM 2, 1959): short lists, and long ones of equal logits in order."""
    gap = 1
    while gap < count // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, count):
            key, j = load_i64(keys + 8 * i), i - gap
            while j >= 0 and load_i64(keys + 8 * j) > key:
                store_i64(keys + 8 * (j + gap), load_i64(keys + 8 * j))
                j -= gap
            store_i64(keys + 8 * (j + gap), key)
        gap //= 3


@inline
def _weigh_keys(row: Any, keys: Any, count: Any, largest: Any, rate: Any, tile: Any) -> None:
    """Write the weights of up to eight keys' logits, as they are computed for groups."""
    for i in range(8):
        index = load_i64(keys + 8 * min(i, count - 1)) & 0xFFFFFFFF
        store_f32(tile + 4 * i, load_f32(row + 4 * index))
    store_f32x8(tile, weights(load_f32x8(tile), largest, rate))


@part
def walk(row: Any, size: Any, peaks: Any, largest: Any, rate: Any, per_logit: Any, bins: Any, last: Any, keys: Any,
    tile: Any, most: Any, share: Any, least: Any, target: Any) -> Any:  # fmt: skip
    """Go through the sorted row. It ends after ``most`` numbers, where weights reach ``share``, at the first weight
    that is not above ``least``, or where their running sum exceeds ``target``. Returns how many were passed, the sum
    of their weights, and the last of them."""
    count, mass, token = 0, 0.0, 0
    floor = np.int64(-np.log2(least) * np.float64(per_logit / rate)) - 2 if least > 0 else np.int64(BINS)
    for b in range(last + 1):
        here = int(load_f64(bins + 16 * b))
        if here == 0:
            continue
        beyond = mass + load_f64(bins + 16 * b + 8)
        if count + here < most and beyond < share and beyond <= target and b < floor:
            count += here
            mass = beyond
            continue
        found = _collect(row, size, peaks, largest, per_logit, b, keys, tile)
        for i in range(found):
            if i % 8 == 0:
                _weigh_keys(row, keys + 8 * i, found - i, largest, rate, tile)
            weight = np.float64(load_f32(tile + 4 * (i % 8)))
            if count >= most or mass >= share or weight <= least:
                return count, mass, token
            count, mass, token = count + 1, mass + weight, load_i64(keys + 8 * i) & 0xFFFFFFFF
            if mass > target:
                return count, mass, token
    return count, mass, token
