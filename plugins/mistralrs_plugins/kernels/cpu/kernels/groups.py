"""A row of logits in groups of 64: the largest of each, its *peak*, and weights, ``exp((x - largest) / temperature)``.

The group that a row ends in is read from a copy that is filled up, so that all groups are computed alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import (
    lane_max,
    lane_sum,
    larger,
    smaller,
    splat,
    times_power_of_two,
    where_larger,
)
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f32x8, store_f32, store_f32x8
from mistralrs_plugins.kernels.cpu.kernels.sizes import DRAW_GROUP

INFINITY = np.float32(np.inf)
LOG2_E = np.float32(1.4426950408889634)
_LEAST_POWER = np.float32(-125)
"""Weights below two to this are zero: what is masked must have no weight at all."""
_TO_INTEGER = np.float32(1.5 * 2**23)
"""Added to a small float, it leaves the nearest integer in the lowest bits."""


@inline
def group_at(row: Any, first: Any, size: Any, tile: Any, filler: Any) -> Any:
    """The address of the group that starts at ``first``: in the row, or in ``tile`` when the row ends within."""
    if first + DRAW_GROUP <= size:
        return row + 4 * first
    for i in range(DRAW_GROUP):
        store_f32(tile + 4 * i, load_f32(row + 4 * (first + i)) if first + i < size else filler)
    return tile


@inline
def weights(x: Any, largest: Any, rate: Any) -> Any:
    """``2^((x - largest) * rate)`` of eight logits, to two units in the last place of the power's own argument.

    ``2^n * 2^r`` with ``|r| <= 1/2`` and, for ``2^r``, the polynomial of least relative error (9.2e-8) that is 1 at 0,
    so that the largest logit weighs exactly 1. What ``n`` adds to is the exponent's bits.
    """
    power = (x - splat(largest)) * splat(rate)
    shifted = power + splat(_TO_INTEGER)
    r = power - (shifted - splat(_TO_INTEGER))
    p = splat(np.float32(0.00132647)) * r + splat(np.float32(0.00967151))
    p = p * r + splat(np.float32(0.05550734))
    p = p * r + splat(np.float32(0.24022242))
    p = p * r + splat(np.float32(0.69314698))
    p = p * r + splat(np.float32(1))
    return where_larger(power, splat(_LEAST_POWER), times_power_of_two(p, shifted))


@inline
def weigh(at: Any, largest: Any, rate: Any, kept: Any) -> Any:
    """Write the weights of the group at address ``at``; returns their sum."""
    first = second = splat(np.float32(0))
    for i in range(0, 4 * DRAW_GROUP, 64):
        x, y = weights(load_f32x8(at + i), largest, rate), weights(load_f32x8(at + i + 32), largest, rate)
        store_f32x8(kept + i, x)
        store_f32x8(kept + i + 32, y)
        first, second = first + x, second + y
    return lane_sum(first + second)


@part
def sum_groups(row: Any, size: Any, begin: Any, end: Any, largest: Any, rate: Any, sums: Any, kept: Any, step: Any,
    tile: Any) -> Any:  # fmt: skip
    """Write the sum of each group's weights, for groups ``begin`` to before ``end``; returns the sum of all.

    The weights themselves are left at ``kept``: with a ``step`` of :data:`DRAW_GROUP` one group's after another's, in
    their places in the row; with 0 only those of the last."""
    total = 0.0
    for g in range(begin, end):
        at = group_at(row, g * DRAW_GROUP, size, tile, -INFINITY)
        here = weigh(at, largest, rate, kept + 4 * g * step)
        store_f32(sums + 4 * g, here)
        total += np.float64(here)
    return total


@part
def find_peaks(row: Any, size: Any, begin: Any, end: Any, peaks: Any, tile: Any) -> Any:
    """Write each group's largest logit; returns the largest and the lowest of all. NaN counts as infinity."""
    largest, lows = -INFINITY, splat(INFINITY)
    for g in range(begin, end):
        at = group_at(row, g * DRAW_GROUP, size, tile, load_f32(row + 4 * g * DRAW_GROUP))
        tops = splat(-INFINITY)
        for i in range(0, 4 * DRAW_GROUP, 32):
            x = smaller(load_f32x8(at + i), splat(INFINITY))
            tops, lows = larger(x, tops), smaller(x, lows)
        peak = lane_max(tops)
        store_f32(peaks + 4 * g, peak)
        largest = max(largest, peak)
    return largest, -lane_max(splat(np.float32(0)) - lows)
