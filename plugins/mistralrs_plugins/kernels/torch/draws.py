"""Draws tokens from rows of logits: temperature, softmax, top-k, top-p, min-p, multinomial, in this order.

Every filter is relative, so no softmax needs a sum of one: a *weight* is a probability times any constant of its row.
A draw is a pure function of a row, its settings and one number in [0, 1), and no row's result depends on the rows
beside it. What a filter leaves is looked for among the largest logits; exponentials of a whole vocabulary, the dearest
part, are taken only where a sum over it is asked for. One thread, because a parallel region here would fight the
model's.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mistralrs_plugins.kernels.torch.candidates import Ints, Logits, Rows

Floats = NDArray[np.float64]

GROUP = 512
"""A running sum is taken over sums of this many weights first."""

NUCLEUS = (64, 512)
"""How many of the largest logits top-p looks at before it looks at all."""

SMALL = 4096
"""So many weights are sorted rather than split further."""

ROUNDING = 1e-5
"""By how much more than its share a logit is let through to the exact test of min-p."""


@dataclass(frozen=True, slots=True)
class Settings:
    """For each row ``[n]``: temperature, filters in the form that is off by being neutral, and the number drawn."""

    temperature: Floats
    top_p: Floats  # infinity when off
    min_p: Floats  # 0 when off
    number: Floats

    @staticmethod
    def of(wanted: Floats) -> Settings:
        """From the columns of :meth:`mistralrs.ops.Ops.draw`."""
        top_p = np.where(wanted[:, 2] > 0, wanted[:, 2], np.inf)
        return Settings(wanted[:, 0], top_p, wanted[:, 3], wanted[:, 4])

    def row(self, index: int) -> Settings:
        """Those of one row, still as arrays."""
        one = slice(index, index + 1)
        return Settings(self.temperature[one], self.top_p[one], self.min_p[one], self.number[one])


def draw_rows(logits: Logits, members: Ints, top_k: int, settings: Settings) -> Ints:
    """One token ``[n]`` for each of the rows ``members``. All have the same ``top_k``; 0 is off."""
    if 0 < top_k < logits.rows.shape[1]:
        return _draw_top_k(logits, members, top_k, settings)
    tokens = [_draw_row(logits, int(index), settings.row(at)) for at, index in enumerate(members)]
    return np.array(tokens, dtype=np.int64)


def probabilities(row: Rows, largest: float = 0.0, temperature: float = 1.0) -> Rows:
    """Softmax of ``row / temperature``, whose maximum is ``largest``: valid until the next call on this thread."""
    out = _scratch("probabilities", len(row))
    scaled = row
    if temperature != 1:
        scaled = _scratch("scaled", len(row))
        with np.errstate(over="ignore"):  # what overflows is minus infinity, whose exponential is the 0 it should be
            np.subtract(row, np.float32(largest), out=scaled)
            scaled /= np.float32(temperature)
    # One dimension, so torch uses this thread only; its softmax takes half as long as numpy's exponential.
    torch.softmax(torch.from_numpy(scaled), 0, out=torch.from_numpy(out))
    return out


def _draw_top_k(logits: Logits, members: Ints, top_k: int, settings: Settings) -> Ints:
    tokens = logits.largest(members, top_k)
    values = logits.rows[members[:, None], tokens]
    weights = _weights(values, values[:, :1], settings.temperature[:, None])
    sums = weights.cumsum(axis=1, dtype=np.float64)
    choice = _choose(weights, sums, settings.top_p * sums[:, -1], settings)
    result: Ints = np.take_along_axis(tokens, choice[:, None], axis=1)[:, 0]
    return result


def _draw_row(logits: Logits, index: int, settings: Settings) -> int:
    """Without top-k: min-p leaves few tokens at once, top-p most often, and else all of them may be drawn."""
    row, largest = logits.rows[index], float(logits.maxima[index])
    temperature, min_p, top_p = float(settings.temperature[0]), float(settings.min_p[0]), float(settings.top_p[0])
    number = float(settings.number[0])
    tokens: Ints | None = None
    if min_p:
        slack = ROUNDING * (temperature + abs(largest))
        tokens = logits.above(index, largest + temperature * np.log(min_p) - slack)
        if top_p >= 1:
            weights = _weights(row[tokens], np.float32(largest), settings.temperature)
            weights[weights <= min_p] = 0
            return int(tokens[_invert(weights, number)])
    everything = probabilities(row, largest, temperature)
    if top_p >= 1:
        return _invert(everything, number)
    top, cutoff = float(everything.max()), top_p * float(everything.sum())
    if tokens is None:
        tokens = _nucleus(logits, index, everything, cutoff)
    if tokens is not None and len(tokens) <= SMALL:
        return _draw_among(row, largest, tokens, np.array([cutoff / top]), settings)
    _keep_nucleus(everything, cutoff)
    if min_p:
        everything[everything <= min_p * top] = 0
    return _invert(everything, number)


def _nucleus(logits: Logits, index: int, weights: Rows, cutoff: float) -> Ints | None:
    """Some of the largest logits whose weights reach ``cutoff``; None when too many would be needed."""
    for count in NUCLEUS:
        tokens = logits.some_largest(index, count)
        if float(weights[tokens].sum(dtype=np.float64)) >= cutoff:
            return tokens
    return None


def _draw_among(row: Rows, largest: float, tokens: Ints, cutoff: Floats, settings: Settings) -> int:
    """From ``tokens``, which hold all that the filters leave; ``cutoff`` counts in weights whose largest is 1."""
    values = row[tokens]
    order = np.argsort(-values, kind="stable")
    weights = _weights(values[order][None], np.float32(largest), settings.temperature)
    sums = weights.cumsum(axis=1, dtype=np.float64)
    return int(tokens[order[_choose(weights, sums, cutoff, settings)[0]]])


def _keep_nucleus(weights: Rows, cutoff: float) -> None:
    """Set to zero what top-p takes out: all but the largest weights whose running sum first reaches ``cutoff``.

    The place is found by halving: the sum of the larger half says in which half it lies.
    """
    part, before, sum_before = weights, 0, 0.0
    while len(part) > SMALL:
        middle = len(part) // 2
        part = np.partition(part, middle)
        larger = float(part[middle:].sum())
        if sum_before + larger >= cutoff:
            part = part[middle:]
        else:
            before, sum_before, part = before + len(part) - middle, sum_before + larger, part[:middle]
    falling = np.sort(part)[::-1]
    sums = sum_before + falling.cumsum(dtype=np.float64)
    kept = min(int(np.searchsorted(sums, cutoff)), len(falling) - 1)
    smallest = falling[kept]
    stays = weights >= smallest
    surplus = int(np.count_nonzero(stays)) - (before + kept + 1)
    if surplus:  # weights equal to the last that stays: the first of them do
        stays[np.flatnonzero(weights == smallest)[-surplus:]] = False
    np.multiply(weights, stays, out=weights)


def _invert(weights: Rows, number: float) -> int:
    """The token at ``number`` of the running sum over ``weights``: first over groups, then inside one."""
    whole = len(weights) // GROUP
    sums = weights[: whole * GROUP].reshape(whole, GROUP).sum(axis=1)
    sums = np.append(sums, weights[whole * GROUP :].sum()).cumsum(dtype=np.float64)
    target = number * sums[-1]
    group = int(sums.searchsorted(target, side="right"))
    members = weights[group * GROUP : (group + 1) * GROUP]
    inside = members.cumsum(dtype=np.float64)
    index = int(inside.searchsorted(target - (sums[group - 1] if group else 0.0), side="right"))
    if index == len(inside):  # the two sums round differently
        index = int(np.flatnonzero(members)[-1])
    return group * GROUP + index


def _weights(rows: Rows, largest: Rows | np.float32, temperature: Floats) -> Rows:
    """``exp((rows - largest) / temperature)``."""
    with np.errstate(over="ignore"):  # as in probabilities
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


_local = threading.local()


def _scratch(name: str, size: int) -> Rows:
    """Memory of this thread to compute in: a fresh megabyte for every token costs more than the computing."""
    held: Rows | None = getattr(_local, name, None)
    if held is None or len(held) < size:
        held = np.empty(size, dtype=np.float32)
        setattr(_local, name, held)
    return held[:size]
