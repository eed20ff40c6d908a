"""Chooses tokens from rows of logits, without sorting a vocabulary.

What filters leave is the beginning of the row sorted by falling logit (:mod:`.bins`). Long rows are cut into pieces for
several threads, at places that depend on the row's size alone, and what pieces find is put together in their order: a
row's token depends on nothing but the row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f64, load_i64, store_f64, store_i64
from mistralrs_plugins.kernels.cpu.kernels.bins import clear, depth, fill, merge, walk
from mistralrs_plugins.kernels.cpu.kernels.groups import INFINITY, LOG2_E, group_at, sum_groups, weigh
from mistralrs_plugins.kernels.cpu.kernels.pieces import (
    TILE,
    bins_at,
    bounds,
    first_group,
    groups_in,
    keys_at,
    peaks_at,
    scan,
    sums_at,
    total_weight,
)
from mistralrs_plugins.kernels.cpu.kernels.sizes import BINS, DRAW_GROUP, DRAW_SETTINGS, PIECE_BYTES

_SCALE = np.float32(46)
"""Bins in a factor e of weight, at least. The last bin then starts where weights are zero, at e^-89."""


@inline
def _top_k(settings: Any, size: Any) -> Any:
    """How many numbers top-k keeps; 0 when that is all."""
    wanted = load_f64(settings + 8)
    return np.int64(wanted) if 0 < wanted < size else 0


@inline
def _is_drawn(settings: Any, largest: Any) -> Any:
    """Whether a row's numbers are finite and its token is more than the most likely."""
    return -INFINITY < largest < INFINITY and load_f64(settings) != 0


@inline
def _is_filtered(settings: Any, size: Any) -> Any:
    return _top_k(settings, size) > 0 or load_f64(settings + 16) > 0 or load_f64(settings + 24) > 0


@inline
def _rates(settings: Any, largest: Any, lowest: Any) -> Any:
    """Powers of two for each logit, and bins for each."""
    inverse = np.float32(1 / load_f64(settings))
    per_logit = _SCALE * inverse
    if lowest > -INFINITY:  # a flat row is spread over all bins, so that none has much to be sorted
        per_logit = max(per_logit, np.float32(BINS - 2) / max(largest - lowest, np.float32(1e-3)))
    return np.float32(1 / load_f64(settings) * np.float64(LOG2_E)), per_logit


@part
def _sum(row: Any, size: Any, settings: Any, notes: Any, piece: Any, pieces: Any) -> None:
    """Add up a piece's weights, where the whole row's are asked for. For top-p all are kept: they are binned next."""
    largest, lowest = bounds(notes, pieces)
    share = load_f64(settings + 16)
    if not _is_drawn(settings, largest) or (_is_filtered(settings, size) and not share > 0) or _top_k(settings, size):
        return
    rate, _ = _rates(settings, largest, lowest)
    here, sums = notes + PIECE_BYTES * piece, sums_at(notes, pieces, size)
    begin, end = first_group(piece, pieces, size), first_group(piece + 1, pieces, size)
    kept, step = (keys_at(notes, pieces, size), DRAW_GROUP) if share > 0 else (here + TILE, 0)
    store_f64(here + 8, sum_groups(row, size, begin, end, largest, rate, sums, kept, step, here + TILE))


@part
def _limit(size: Any, settings: Any, notes: Any, pieces: Any) -> None:
    """Find the last bin that matters: what is enough among the peaks is enough among all."""
    largest, lowest = bounds(notes, pieces)
    if not _is_drawn(settings, largest) or not _is_filtered(settings, size):
        return
    top_k, top_p, min_p = _top_k(settings, size), load_f64(settings + 16), load_f64(settings + 24)
    rate, per_logit = _rates(settings, largest, lowest)
    last, most, share = np.int64(BINS - 2), size + 1, np.inf
    if min_p > 0 and not (top_k > 0 and top_p > 0):  # else top-p takes its share of more than min-p leaves
        last = min(last, np.int64(-np.log2(min_p) * np.float64(per_logit / rate)) + 2)
    if top_k > 0:
        most = top_k
    elif top_p > 0:
        share = top_p * total_weight(notes, pieces)
    bins, groups = bins_at(notes, pieces, size), groups_in(size)
    clear(bins)
    fill(
        peaks_at(notes, pieces), groups, 0, 0, groups_in(groups), largest, rate, per_logit, bins, last, 0, notes + TILE
    )
    store_i64(notes + 16, depth(bins, last, most, share))
    store_f64(notes + 24, share)


@part
def _count(row: Any, size: Any, settings: Any, notes: Any, piece: Any, pieces: Any) -> None:
    """Put a piece's numbers into bins of its own."""
    largest, lowest = bounds(notes, pieces)
    if not _is_drawn(settings, largest) or not _is_filtered(settings, size):
        return
    rate, per_logit = _rates(settings, largest, lowest)
    bins = bins_at(notes, pieces, size) + 16 * BINS * piece
    known = keys_at(notes, pieces, size) if load_f64(settings + 16) > 0 and not _top_k(settings, size) else 0
    begin, end = first_group(piece, pieces, size), first_group(piece + 1, pieces, size)
    tile = notes + PIECE_BYTES * piece + TILE
    clear(bins)
    peaks, last = peaks_at(notes, pieces), load_i64(notes + 16)
    fill(row, size, peaks, begin, end, largest, rate, per_logit, bins, last, known, tile)


@part
def _draw_filtered(row: Any, size: Any, settings: Any, notes: Any, pieces: Any) -> Any:
    """Top-k, then top-p of what it leaves, then min-p, then the draw."""
    largest, lowest = bounds(notes, pieces)
    rate, per_logit = _rates(settings, largest, lowest)
    top_k, top_p = _top_k(settings, size), load_f64(settings + 16)
    min_p, number = load_f64(settings + 24), load_f64(settings + 32)
    last, share = load_i64(notes + 16), load_f64(notes + 24)
    peaks, bins, keys = peaks_at(notes, pieces), bins_at(notes, pieces, size), keys_at(notes, pieces, size)
    tile, most = notes + TILE, top_k if top_k > 0 else size + 1
    merge(bins, bins + 16 * BINS, pieces - 1, last)
    if top_k > 0 and top_p > 0:
        _, mass, _ = walk(row, size, peaks, largest, rate, per_logit, bins, last, keys, tile, most, np.inf, 0.0, np.inf)
        share = top_p * mass
    kept, mass, _ = walk(row, size, peaks, largest, rate, per_logit, bins, last, keys, tile, most, share, min_p, np.inf)
    _, _, token = walk(
        row, size, peaks, largest, rate, per_logit, bins, last, keys, tile, kept, np.inf, 0.0, number * mass
    )
    return token


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
def _draw_any(row: Any, size: Any, settings: Any, notes: Any, pieces: Any) -> Any:
    """The token at a number's place in the running sum of all weights: its piece, its group, its place in this."""
    largest, lowest = bounds(notes, pieces)
    rate, _ = _rates(settings, largest, lowest)
    wanted, piece, before = load_f64(settings + 32) * total_weight(notes, pieces), 0, 0.0
    while piece < pieces - 1 and before + load_f64(notes + PIECE_BYTES * piece + 8) <= wanted:
        before += load_f64(notes + PIECE_BYTES * piece + 8)
        piece += 1
    begin, end = first_group(piece, pieces, size), first_group(piece + 1, pieces, size)
    group, sum_before = _find(sums_at(notes, pieces, size) + 4 * begin, end - begin, wanted - before)
    first, tile = (begin + group) * DRAW_GROUP, notes + TILE
    weigh(group_at(row, first, size, tile, -INFINITY), largest, rate, tile)
    index, _ = _find(tile, min(DRAW_GROUP, size - first), wanted - before - sum_before)
    return first + index


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
def _choose(row: Any, size: Any, settings: Any, notes: Any, pieces: Any) -> Any:
    """The token; -1 when there are numbers that are not finite."""
    largest, _ = bounds(notes, pieces)
    if not -INFINITY < largest < INFINITY:
        return -1
    if load_f64(settings) == 0:
        return _first_of(row, size, peaks_at(notes, pieces), largest)
    if _is_filtered(settings, size):
        return _draw_filtered(row, size, settings, notes, pieces)
    return _draw_any(row, size, settings, notes, pieces)


def draw(args: int, chunk: int, thread: int) -> None:
    """A token for a row. Arguments: logits, bytes of a row, its size, its pieces; settings (temperature, top-k, top-p,
    min-p, each 0 when off, and a number in [0, 1)); target; memory, its size; which part of the work.

    A part of 0 is all of it, a row a chunk, in memory of a thread. Otherwise memory is a row's: 1 looks for the largest
    logits of a piece, 2 adds up its weights, 4 counts it into bins, a piece a chunk; 3 in between and 5 at the end are
    for a row.
    """
    size, pieces, work = load_i64(args + 16), load_i64(args + 24), load_i64(args + 64)
    by_piece = work == 1 or work == 2 or work == 4
    index = chunk // pieces if by_piece else chunk
    first = chunk % pieces if by_piece else 0
    last = first + 1 if by_piece else pieces
    row = load_i64(args) + index * load_i64(args + 8)
    settings = load_i64(args + 32) + index * 8 * DRAW_SETTINGS
    notes = load_i64(args + 48) + (thread if work == 0 else index) * load_i64(args + 56)
    if work <= 1:
        for piece in range(first, last):
            scan(row, size, notes, piece, pieces)
    if work == 0 or work == 2:
        for piece in range(first, last):
            _sum(row, size, settings, notes, piece, pieces)
    if work == 0 or work == 3:
        _limit(size, settings, notes, pieces)
    if work == 0 or work == 4:
        for piece in range(first, last):
            _count(row, size, settings, notes, piece, pieces)
    if work == 0 or work == 5:
        store_i64(load_i64(args + 40) + 8 * index, _choose(row, size, settings, notes, pieces))
