"""Draws tokens from rows of logits: temperature, softmax, top-k, top-p, min-p, multinomial, in this order.

Every filter is relative, so the softmax is not normalised: a *weight* is a probability over the largest one. A draw is
a pure function of a row, its settings and one number in [0, 1), and no row's result depends on the rows beside it.
Nothing sorts a vocabulary: the few largest logits are found by selection. Plain numpy on one thread, because a
parallel region here would fight the model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mistralrs.engine.request import SamplingParams
from mistralrs.engine.vector import Ints

Rows = NDArray[np.float32]
Floats = NDArray[np.float64]

GROUP = 64
"""Logits are searched and summed in groups of this many."""

FIRST_CANDIDATES = 64
"""How many of the largest logits top-p looks at first, if there is no top-k to limit them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """For each row ``[n]``: temperature, filters in the form that is off by being neutral, and the number drawn."""

    temperature: Floats
    top_p: Floats  # infinity when off
    min_p: Floats  # 0 when off
    number: Floats

    @staticmethod
    def of(params: Sequence[SamplingParams], numbers: Sequence[float]) -> Settings:
        """The settings of requests. ``top_p`` and ``min_p`` count only strictly between 0 and 1."""
        return Settings(
            np.array([p.temperature for p in params]),
            np.array([p.top_p if 0 < p.top_p < 1 else np.inf for p in params]),
            np.array([p.min_p if 0 < p.min_p < 1 else 0.0 for p in params]),
            np.array(numbers),
        )

    def row(self, index: int) -> Settings:
        """Those of one row, still as arrays."""
        one = slice(index, index + 1)
        return Settings(self.temperature[one], self.top_p[one], self.min_p[one], self.number[one])


def draw(rows: Rows, top_k: int, settings: Settings) -> Ints:
    """One token ``[n]`` for each row ``[n, vocab]``. All rows have the same ``top_k``; 0 is off."""
    if 0 < top_k < rows.shape[1]:
        return _draw_top_k(rows, top_k, settings)
    tokens = [
        _draw_top_p(row, settings.row(index)) if settings.top_p[index] < 1 else _draw_any(row, settings.row(index))
        for index, row in enumerate(rows)
    ]
    return np.array(tokens, dtype=np.int64)


def largest_indices(rows: Rows, count: int) -> Ints:
    """Indices ``[n, count]`` of each row's largest numbers, largest first, equal ones in the order of the row.

    The groups with the ``count`` largest maxima must contain them, so only those are looked into.
    """
    size = rows.shape[1]
    groups = size // GROUP
    if count * 8 > groups:
        return _sorted_largest(rows, count)
    peaks = rows[:, : groups * GROUP].reshape(-1, groups, GROUP).max(axis=2)
    best = np.sort(_select(peaks, count))
    inside = (best[:, :, None] * GROUP + np.arange(GROUP)).reshape(len(rows), -1)
    rest = np.broadcast_to(np.arange(groups * GROUP, size), (len(rows), size - groups * GROUP))
    candidates = np.concatenate([inside, rest], axis=1)
    within = _sorted_largest(np.take_along_axis(rows, candidates, axis=1), count)
    result: Ints = np.take_along_axis(candidates, within, axis=1)
    return result


def _sorted_largest(rows: Rows, count: int) -> Ints:
    """:func:`largest_indices` by looking at everything."""
    chosen = np.sort(_select(rows, count))
    order = np.argsort(-np.take_along_axis(rows, chosen, axis=1), axis=1, kind="stable")
    result: Ints = np.take_along_axis(chosen, order, axis=1)
    return result


def _select(rows: Rows, count: int) -> Ints:
    """Indices of each row's ``count`` largest numbers, in no order."""
    size = rows.shape[1]
    if count >= size:
        return np.broadcast_to(np.arange(size), rows.shape)
    return np.argpartition(rows, size - count, axis=1)[:, size - count :]


def _draw_top_k(rows: Rows, top_k: int, settings: Settings) -> Ints:
    tokens = largest_indices(rows, top_k)
    values = np.take_along_axis(rows, tokens, axis=1)
    weights = _weights(values, values[:, :1], settings.temperature[:, None])
    sums = weights.cumsum(axis=1, dtype=np.float64)
    choice = _choose(weights, sums, settings.top_p * sums[:, -1], settings)
    result: Ints = np.take_along_axis(tokens, choice[:, None], axis=1)[:, 0]
    return result


def _draw_top_p(row: Rows, settings: Settings) -> int:
    """The nucleus of the whole vocabulary, looked for among more and more of the largest logits."""
    weights = _weights(row, row.max(), settings.temperature)
    cutoff = settings.top_p * weights.sum(dtype=np.float64)
    count = FIRST_CANDIDATES
    while True:
        tokens = largest_indices(row[None], min(count, len(row)))
        kept = weights[tokens]
        sums = kept.cumsum(axis=1, dtype=np.float64)
        if sums[0, -1] >= cutoff[0] or count >= len(row):
            return int(tokens[0, _choose(kept, sums, cutoff, settings)[0]])
        count *= 16


def _draw_any(row: Rows, settings: Settings) -> int:
    """A token of the whole vocabulary: the running sum is inverted first over groups, then inside one."""
    weights = _weights(row, row.max(), settings.temperature)
    if settings.min_p[0]:
        weights[weights <= settings.min_p[0]] = 0
    sums = np.add.reduceat(weights, np.arange(0, len(weights), GROUP)).cumsum(dtype=np.float64)
    target = settings.number[0] * sums[-1]
    group = int(sums.searchsorted(target, side="right"))
    members = weights[group * GROUP : (group + 1) * GROUP]
    inside = members.cumsum(dtype=np.float64)
    index = int(inside.searchsorted(target - (sums[group - 1] if group else 0.0), side="right"))
    if index == len(inside):  # the two sums round differently
        index = int(np.flatnonzero(members)[-1])
    return group * GROUP + index


def _weights(rows: Rows, largest: Rows | np.float32, temperature: Floats) -> Rows:
    """``exp((rows - largest) / temperature)``."""
    with np.errstate(over="ignore"):  # what overflows is minus infinity, whose exponential is the 0 it should be
        weights = rows - largest
        weights /= temperature.astype(np.float32)
    np.exp(weights, out=weights)
    return weights


def _choose(weights: Rows, sums: Floats, cutoff: Floats, settings: Settings) -> Ints:
    """Column ``[n]`` drawn from descending ``weights`` ``[n, k]`` with running ``sums``.

    Top-p keeps a token if those before it do not reach ``cutoff``, so the one that crosses it stays; min-p keeps those
    above its share of the largest weight, which is 1.
    """
    kept = weights > settings.min_p[:, None]
    kept[:, 1:] &= sums[:, :-1] < cutoff[:, None]
    left = np.where(kept, weights, 0).cumsum(axis=1, dtype=np.float64)
    choice: Ints = (left <= (settings.number * left[:, -1])[:, None]).sum(axis=1)
    return choice
