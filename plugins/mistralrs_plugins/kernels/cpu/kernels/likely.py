"""The largest logits of a row and the logarithm of the sum of its exponentials, or what both say of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import part
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f64, load_i64, store_f64, store_i64
from mistralrs_plugins.kernels.cpu.kernels.bins import key_of
from mistralrs_plugins.kernels.cpu.kernels.groups import INFINITY, LOG2_E, sum_groups
from mistralrs_plugins.kernels.cpu.kernels.pieces import (
    TILE,
    bounds,
    first_group,
    groups_in,
    peaks_at,
    scan,
    sums_at,
)
from mistralrs_plugins.kernels.cpu.kernels.sizes import DRAW_GROUP, PIECE_BYTES

_LOWEST = -9999.0
"""Log-probabilities are told as this at least."""


@part
def _sum(row: Any, size: Any, notes: Any, piece: Any, pieces: Any) -> None:
    """Add up a piece's exponentials, in units of that of its own largest logit."""
    scan(row, size, notes, piece, pieces)
    here = notes + PIECE_BYTES * piece
    begin, end = first_group(piece, pieces, size), first_group(piece + 1, pieces, size)
    kept, sums = here + TILE, sums_at(notes, pieces, size)
    store_f64(here + 8, sum_groups(row, size, begin, end, load_f32(here), LOG2_E, sums, kept, 0, here + TILE))


@part
def _log_sum(notes: Any, pieces: Any) -> Any:
    largest, _ = bounds(notes, pieces)
    total = 0.0
    for piece in range(notes, notes + PIECE_BYTES * pieces, PIECE_BYTES):
        total += load_f64(piece + 8) * np.exp(np.float64(load_f32(piece)) - np.float64(largest))
    return np.float64(largest) + np.log(total)


@part
def _find_largest(row: Any, size: Any, peaks: Any, wanted: Any, keys: Any) -> None:
    """Write the indices of the ``wanted`` largest, largest first."""
    count, least = 0, -INFINITY
    for g in range(groups_in(size)):
        if count < wanted or load_f32(peaks + 4 * g) > least:
            for i in range(g * DRAW_GROUP, min((g + 1) * DRAW_GROUP, size)):
                if count < wanted or load_f32(row + 4 * i) > least:
                    j = min(count, wanted - 1)
                    key = key_of(row, i)
                    while j > 0 and load_i64(keys + 8 * (j - 1)) > key:
                        store_i64(keys + 8 * j, load_i64(keys + 8 * (j - 1)))
                        j -= 1
                    store_i64(keys + 8 * j, key)
                    count = min(count + 1, wanted)
                    least = load_f32(row + 4 * (load_i64(keys + 8 * (count - 1)) & 0xFFFFFFFF))
    for i in range(wanted):
        store_i64(keys + 8 * i, load_i64(keys + 8 * i) & 0xFFFFFFFF)


def likeliest(args: int, chunk: int, thread: int) -> None:
    """The logarithm of the sum of a row's exponentials, and its largest numbers, largest first. Arguments: logits,
    bytes of a row, its size, its pieces; how many; target of the logarithms; target of the indices; memory, its size;
    which part of the work.

    A part of 0 is all of it, a row a chunk, in memory of a thread. Otherwise memory is a row's: 1 looks at a piece, a
    piece a chunk; 2 puts together what was found of a row.
    """
    size, pieces, wanted, work = load_i64(args + 16), load_i64(args + 24), load_i64(args + 32), load_i64(args + 72)
    index = chunk // pieces if work == 1 else chunk
    first = chunk % pieces if work == 1 else 0
    row = load_i64(args) + index * load_i64(args + 8)
    notes = load_i64(args + 56) + (thread if work == 0 else index) * load_i64(args + 64)
    if work <= 1:
        for piece in range(first, first + 1 if work == 1 else pieces):
            _sum(row, size, notes, piece, pieces)
    if work != 1:
        store_f64(load_i64(args + 40) + 8 * index, _log_sum(notes, pieces))
        if wanted > 0:
            keys = load_i64(args + 48) + 8 * index * wanted
            _find_largest(row, size, peaks_at(notes, pieces), wanted, keys)


def tell(args: int, chunk: int, thread: int) -> None:
    """Log-probabilities of a row's token and of its likeliest. Arguments: logits, bytes of a row, its size, its pieces;
    of how many likeliest in each row (below 0: not even of its token), how many there is room for; the rows' tokens;
    targets of tokens and of log-probabilities; memory, its size; which part of the work, as for :func:`likeliest`."""
    size, pieces, most, work = load_i64(args + 16), load_i64(args + 24), load_i64(args + 40), load_i64(args + 88)
    index = chunk // pieces if work == 1 else chunk
    first = chunk % pieces if work == 1 else 0
    row = load_i64(args) + index * load_i64(args + 8)
    wanted, token = load_i64(load_i64(args + 32) + 8 * index), load_i64(load_i64(args + 48) + 8 * index)
    notes = load_i64(args + 72) + (thread if work == 0 else index) * load_i64(args + 80)
    if wanted >= 0 and token >= 0:
        if work <= 1:
            for piece in range(first, first + 1 if work == 1 else pieces):
                _sum(row, size, notes, piece, pieces)
        if work != 1:
            tokens, logprobs = (
                load_i64(args + 56) + 8 * index * (1 + most),
                load_i64(args + 64) + 8 * index * (1 + most),
            )
            total = _log_sum(notes, pieces)
            store_i64(tokens, token)
            if wanted > 0:
                _find_largest(row, size, peaks_at(notes, pieces), wanted, tokens + 8)
            for i in range(1 + wanted):
                value = np.float64(load_f32(row + 4 * load_i64(tokens + 8 * i))) - total
                store_f64(logprobs + 8 * i, max(value, _LOWEST))
