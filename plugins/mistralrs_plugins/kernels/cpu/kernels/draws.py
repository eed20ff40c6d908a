"""Chooses tokens from rows of logits, one row a chunk, without sorting a vocabulary.

A row is seen as groups of 64 numbers, each with its *peak*. What filters leave is the beginning of the row sorted by
falling logit, so numbers are counted into *bins* by their distance from the largest, and only a bin in which some
limit falls is sorted. Peaks tell which groups need no look. A row's token depends on nothing but the row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    first_lane,
    lane_max,
    lane_sum,
    larger,
    magnitude,
    smaller,
    splat,
)
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_f32,
    load_f32x8,
    load_f64,
    load_i64,
    load_u32,
    store_f32,
    store_f32x8,
    store_f64,
    store_i64,
)
from mistralrs_plugins.kernels.cpu.kernels.functions import exp
from mistralrs_plugins.kernels.cpu.kernels.sizes import BINS, DRAW_GROUP, DRAW_SETTINGS

_INFINITY = np.float32(np.inf)
_VANISHING = np.float32(1.7e-38)
"""A little more than the smallest result of ``exp``: what is masked must have no weight at all."""
_SCALE = np.float32(46)
"""Bins in a factor e of weight, at least. The last bin then starts where weights are zero, at e^-89."""


@inline
def _weights(x: Any, largest: Any, inverse: Any) -> Any:
    """``exp((x - largest) * inverse)`` of eight logits, zero below e^-87."""
    return larger(splat(np.float32(0)), exp((x - splat(largest)) * splat(inverse)) - splat(_VANISHING))


@inline
def _weight(x: Any, largest: Any, inverse: Any) -> Any:
    """The same, bit for bit, of one logit."""
    return first_lane(_weights(splat(x), largest, inverse))


@inline
def _places(x: Any, largest: Any, per_logit: Any) -> Any:
    """How many bins eight logits lie below the largest; the last bin's number at most."""
    return smaller((splat(largest) - x) * splat(per_logit), splat(np.float32(BINS - 1)))


@inline
def _bin(x: Any, largest: Any, per_logit: Any) -> Any:
    """The bin of one logit, which is :func:`_places` without its fraction, bit for bit."""
    return np.int64(min((largest - x) * per_logit, np.float32(BINS - 1)))


@inline
def _key(row: Any, index: Any) -> Any:
    """A number that rises as logits fall, and among equal ones with the index, which is its lower half."""
    bits = load_u32(row + 4 * index)
    falling = 0x7FFFFFFF - bits if bits < 0x80000000 else bits
    return ((falling - 0x80000000) << 32) | index


@part
def _find_peaks(row: Any, size: Any, peaks: Any) -> Any:
    """Write each group's largest logit; returns the row's, and its lowest. NaN counts as infinity."""
    largest, lows = -_INFINITY, splat(_INFINITY)
    for g in range(size // DRAW_GROUP):
        at = row + 4 * DRAW_GROUP * g
        x = smaller(load_f32x8(at), splat(_INFINITY))
        top, lows = x, smaller(lows, x)
        for i in range(8, DRAW_GROUP, 8):
            x = smaller(load_f32x8(at + 4 * i), splat(_INFINITY))
            top, lows = larger(top, x), smaller(lows, x)
        peak = lane_max(top)
        store_f32(peaks + 4 * g, peak)
        largest = max(largest, peak)
    lowest = -lane_max(splat(np.float32(0)) - lows)
    first = size // DRAW_GROUP * DRAW_GROUP
    if first < size:
        peak = -_INFINITY
        for i in range(first, size):
            x = load_f32(row + 4 * i)
            if not x < _INFINITY:
                x = _INFINITY
            peak, lowest = max(peak, x), min(lowest, x)
        store_f32(peaks + 4 * (first // DRAW_GROUP), peak)
        largest = max(largest, peak)
    return largest, lowest


@inline
def _weigh(row: Any, first: Any, last: Any, largest: Any, inverse: Any, tile: Any) -> Any:
    """Write the weights of a group; returns their sum."""
    whole = first + (last - first) // 8 * 8
    sums = splat(np.float32(0))
    for i in range(first, whole, 8):
        weights = _weights(load_f32x8(row + 4 * i), largest, inverse)
        store_f32x8(tile + 4 * (i - first), weights)
        sums += weights
    total = lane_sum(sums)
    for i in range(whole, last):
        weight = _weight(load_f32(row + 4 * i), largest, inverse)
        store_f32(tile + 4 * (i - first), weight)
        total += weight
    return total


@part
def _sum_groups(row: Any, size: Any, largest: Any, inverse: Any, sums: Any, tile: Any, step: Any) -> Any:
    """Write the sum of each group's weights; returns the sum of all. With a ``step`` of :data:`DRAW_GROUP`, the
    weights of all are kept behind ``tile``, one group after another; with 0, those of the last."""
    total = 0.0
    for first in range(0, size, DRAW_GROUP):
        here = _weigh(row, first, min(first + DRAW_GROUP, size), largest, inverse, tile)
        store_f32(sums + 4 * (first // DRAW_GROUP), here)
        total += np.float64(here)
        tile += 4 * step
    return total


@part
def _find(values: Any, count: Any, target: Any) -> Any:
    """Where the running sum of ``values`` exceeds ``target``, and the sum before; else the last that is not zero."""
    running, before, found = 0.0, 0.0, 0
    for i in range(count):
        value = np.float64(load_f32(values + 4 * i))
        if value > 0.0:
            found, before = i, running
            running += value
            if running > target:
                break
    return found, before


@part
def _first_of(row: Any, size: Any, peaks: Any, value: Any) -> Any:
    """The first place of the largest logit."""
    group = 0
    while load_f32(peaks + 4 * group) != value:
        group += 1
    index = group * DRAW_GROUP
    while index < size - 1 and load_f32(row + 4 * index) != value:
        index += 1
    return index


@part
def _fill_bins(
    row: Any, size: Any, peaks: Any, largest: Any, inverse: Any, per_logit: Any, bins: Any, last: Any, tile: Any,
    weights: Any,
) -> None:  # fmt: skip
    """Count numbers and add up weights of every bin up to ``last``. ``peaks`` 0: there are none; ``weights`` 0: they
    are not known yet."""
    for b in range(BINS):
        store_i64(bins + 16 * b, 0)
        store_f64(bins + 16 * b + 8, 0.0)
    for first in range(0, size, DRAW_GROUP):
        if peaks == 0 or _bin(load_f32(peaks + first // (DRAW_GROUP // 4)), largest, per_logit) <= last:
            end = min(first + DRAW_GROUP, size)
            known = weights + 4 * first
            if weights == 0:
                known = tile
                _weigh(row, first, end, largest, inverse, tile)
            places = tile + 4 * DRAW_GROUP
            whole = first + (end - first) // 8 * 8
            for i in range(first, whole, 8):
                store_f32x8(places + 4 * (i - first), _places(load_f32x8(row + 4 * i), largest, per_logit))
            for i in range(whole, end):
                store_f32(places + 4 * (i - first), np.float32(_bin(load_f32(row + 4 * i), largest, per_logit)))
            for i in range(end - first):
                at = bins + 16 * np.int64(load_f32(places + 4 * i))
                store_i64(at, load_i64(at) + 1)
                store_f64(at + 8, load_f64(at + 8) + np.float64(load_f32(known + 4 * i)))


@part
def _depth(bins: Any, last: Any, count: Any, mass: Any) -> Any:
    """The first bin, up to ``last``, by which there are ``count`` numbers or weights of ``mass``."""
    seen, total = 0, 0.0
    for b in range(last):
        seen += load_i64(bins + 16 * b)
        total += load_f64(bins + 16 * b + 8)
        if seen >= count or total >= mass:
            return b
    return last


@inline
def _near(row: Any, first: Any, largest: Any, per_logit: Any, wanted: Any) -> Any:
    """Whether a whole group may hold a number of the bin ``wanted``."""
    middle, nearest = splat(np.float32(wanted) + np.float32(0.5)), splat(np.float32(BINS))
    for i in range(first, first + DRAW_GROUP, 8):
        nearest = smaller(magnitude(_places(load_f32x8(row + 4 * i), largest, per_logit) - middle), nearest)
    return lane_max(splat(np.float32(0)) - nearest) > np.float32(-0.51)


@part
def _collect(row: Any, size: Any, peaks: Any, largest: Any, per_logit: Any, wanted: Any, keys: Any) -> Any:
    """Write the keys of the numbers in one bin, sorted; returns how many."""
    count = 0
    for first in range(0, size, DRAW_GROUP):
        if _bin(load_f32(peaks + first // (DRAW_GROUP // 4)), largest, per_logit) <= wanted:
            end = min(first + DRAW_GROUP, size)
            if end - first < DRAW_GROUP or _near(row, first, largest, per_logit, wanted):
                for i in range(first, end):
                    if _bin(load_f32(row + 4 * i), largest, per_logit) == wanted:
                        store_i64(keys + 8 * count, _key(row, i))
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


@part
def _walk(
    row: Any, size: Any, peaks: Any, largest: Any, inverse: Any, per_logit: Any, bins: Any, last: Any, keys: Any,
    most: Any, share: Any, least: Any, target: Any,
) -> Any:  # fmt: skip
    """Go through the sorted row. It ends after ``most`` numbers, where weights reach ``share``, at the first weight
    that is not above ``least``, or where their running sum exceeds ``target``. Returns how many were passed, the sum
    of their weights, and the last of them."""
    count, mass, token = 0, 0.0, 0
    floor = np.int64(-np.log(least) * np.float64(per_logit / inverse)) - 2 if least > 0 else np.int64(BINS)
    for b in range(last + 1):
        here = load_i64(bins + 16 * b)
        if here == 0:
            continue
        beyond = mass + load_f64(bins + 16 * b + 8)
        if count + here < most and beyond < share and beyond <= target and b < floor:
            count += here
            mass = beyond
            continue
        found = _collect(row, size, peaks, largest, per_logit, b, keys)
        for i in range(found):
            index = load_i64(keys + 8 * i) & 0xFFFFFFFF
            weight = np.float64(_weight(load_f32(row + 4 * index), largest, inverse))
            if count >= most or mass >= share or weight <= least:
                return count, mass, token
            count, mass, token = count + 1, mass + weight, index
            if mass > target:
                return count, mass, token
    return count, mass, token


@part
def _draw_filtered(
    row: Any, size: Any, largest: Any, lowest: Any, inverse: Any, settings: Any, peaks: Any, sums: Any, bins: Any,
    keys: Any, tile: Any,
) -> Any:  # fmt: skip
    """Top-k, then top-p of what it leaves, then min-p, then the draw."""
    top_k, top_p = np.int64(load_f64(settings + 8)), load_f64(settings + 16)
    min_p, number = load_f64(settings + 24), load_f64(settings + 32)
    per_logit = _SCALE * inverse
    if lowest > -_INFINITY:  # a flat row is spread over all bins, so that none has much to be sorted
        per_logit = max(per_logit, np.float32(BINS - 2) / max(largest - lowest, np.float32(1e-3)))
    groups, last = (size + DRAW_GROUP - 1) // DRAW_GROUP, np.int64(BINS - 2)
    if min_p > 0 and not (0 < top_k < size and top_p > 0):  # else top-p takes its share of more than min-p leaves
        last = min(last, np.int64(-np.log(min_p) * np.float64(per_logit / inverse)) + 2)
    most, share, weights = size + 1, np.inf, 0
    if 0 < top_k < size:
        most = top_k
    elif top_p > 0:
        weights = keys  # whose place is free until keys are collected
        share = top_p * _sum_groups(row, size, largest, inverse, sums, weights, DRAW_GROUP)
    # What is enough among the peaks is enough among all.
    _fill_bins(peaks, groups, 0, largest, inverse, per_logit, bins, last, tile, 0)
    last = _depth(bins, last, most, share)
    _fill_bins(row, size, peaks, largest, inverse, per_logit, bins, last, tile, weights)
    if most <= size and top_p > 0:
        _, mass, _ = _walk(row, size, peaks, largest, inverse, per_logit, bins, last, keys, most, np.inf, 0.0, np.inf)
        share = top_p * mass
    kept, mass, _ = _walk(row, size, peaks, largest, inverse, per_logit, bins, last, keys, most, share, min_p, np.inf)
    _, _, token = _walk(
        row, size, peaks, largest, inverse, per_logit, bins, last, keys, kept, np.inf, 0.0, number * mass
    )
    return token


def draw(args: int, chunk: int, thread: int) -> None:
    """A token for a row. Arguments: logits, bytes of a row, its size; settings (temperature, top-k, top-p, min-p, each
    0 when off, and a number in [0, 1)); target; scratch memory, its size."""
    row, size = load_i64(args) + chunk * load_i64(args + 8), load_i64(args + 16)
    settings = load_i64(args + 24) + chunk * 8 * DRAW_SETTINGS
    target = load_i64(args + 32) + 8 * chunk
    bins = load_i64(args + 40) + thread * load_i64(args + 48)
    tile = bins + 16 * BINS
    peaks = tile + 8 * DRAW_GROUP
    groups = (size + DRAW_GROUP - 1) // DRAW_GROUP
    sums = peaks + 4 * groups
    keys = peaks + 8 * groups
    largest, lowest = _find_peaks(row, size, peaks)
    if not -_INFINITY < largest < _INFINITY:
        store_i64(target, -1)
        return
    temperature = load_f64(settings)
    if temperature == 0:
        store_i64(target, _first_of(row, size, peaks, largest))
        return
    inverse = np.float32(1 / temperature)
    if 0 < load_f64(settings + 8) < size or load_f64(settings + 16) > 0 or load_f64(settings + 24) > 0:
        store_i64(target, _draw_filtered(row, size, largest, lowest, inverse, settings, peaks, sums, bins, keys, tile))
        return
    wanted = load_f64(settings + 32) * _sum_groups(row, size, largest, inverse, sums, tile, 0)
    group, before = _find(sums, groups, wanted)
    first = group * DRAW_GROUP
    last = min(first + DRAW_GROUP, size)
    _weigh(row, first, last, largest, inverse, tile)
    index, _ = _find(tile, last - first, wanted - before)
    store_i64(target, first + index)


def likeliest(args: int, chunk: int, thread: int) -> None:
    """The logarithm of the sum of a row's exponentials, and its largest numbers, largest first. Arguments: logits,
    bytes of a row, its size; how many; target of the logarithms; target of the indices; scratch memory, its size."""
    row, size, wanted = load_i64(args) + chunk * load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
    keys = load_i64(args + 40) + 8 * chunk * wanted
    tile = load_i64(args + 48) + thread * load_i64(args + 56)
    peaks = tile + 4 * DRAW_GROUP
    groups = (size + DRAW_GROUP - 1) // DRAW_GROUP
    largest, _ = _find_peaks(row, size, peaks)
    total = _sum_groups(row, size, largest, np.float32(1), peaks + 4 * groups, tile, 0)
    store_f64(load_i64(args + 32) + 8 * chunk, np.float64(largest) + np.log(total))
    if wanted == 0:
        return
    count, least = 0, -_INFINITY
    for g in range(groups):
        if count < wanted or load_f32(peaks + 4 * g) > least:
            for i in range(g * DRAW_GROUP, min((g + 1) * DRAW_GROUP, size)):
                if count < wanted or load_f32(row + 4 * i) > least:
                    j = min(count, wanted - 1)
                    key = _key(row, i)
                    while j > 0 and load_i64(keys + 8 * (j - 1)) > key:
                        store_i64(keys + 8 * j, load_i64(keys + 8 * (j - 1)))
                        j -= 1
                    store_i64(keys + 8 * j, key)
                    count = min(count + 1, wanted)
                    least = load_f32(row + 4 * (load_i64(keys + 8 * (count - 1)) & 0xFFFFFFFF))
    for i in range(wanted):
        store_i64(keys + 8 * i, load_i64(keys + 8 * i) & 0xFFFFFFFF)
