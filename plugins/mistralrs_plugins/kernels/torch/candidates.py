"""The few largest of many logits, without sorting or copying a vocabulary.

A row is seen as a table of ``SPAN`` lines; the largest number of each column is its *peak*. The columns with the k
highest peaks hold the k largest numbers, and a number above a threshold lies in a column whose peak is above it. Peaks
are found by one pass over a row, which every other question then shares.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Rows = NDArray[np.float32]

SPAN = 32
"""Lines of the table: with fewer there are more peaks to choose from, with more more numbers behind each."""


class Logits:
    """Rows of logits ``[n, vocab]``, and their peaks. The rows must not change after the first question."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.columns = rows.shape[1] // SPAN
        self._table = rows[:, : SPAN * self.columns].reshape(len(rows), SPAN, self.columns)
        self._rest = rows[:, SPAN * self.columns :]

    @cached_property
    def peaks(self) -> Rows:
        """The largest number of each column, ``[n, columns]``."""
        found: Rows = self._table.max(axis=1)
        return found

    @cached_property
    def maxima(self) -> Rows:
        """The largest number of each row ``[n]``; NaN if it holds one."""
        parts = [part for part in (self.peaks, self._rest) if part.shape[1]]
        found: Rows = np.maximum.reduce([part.max(axis=1) for part in parts])
        return found

    def largest(self, members: Ints, count: int) -> Ints:
        """Indices ``[len(members), count]`` of the largest numbers, largest first, equal ones in the order of the row.

        ``members`` are the rows to look at, in rising order.
        """
        size = self.rows.shape[1]
        if count * 4 > self.columns:
            return _sorted_largest(self.rows[members], min(count, size))
        peaks = self.peaks if len(members) == len(self.rows) else self.peaks[members]
        threshold = _nth_largest(peaks, count)
        at, column = _places(peaks >= threshold[:, None])
        inside = self._table[members[at], :, column]
        which, line = _places(inside >= threshold[at, None])
        row = at[which]
        counts = np.bincount(row, minlength=len(members))
        place = np.arange(len(row)) - (counts.cumsum() - counts)[row]
        # One line for each row: what was found, filled up with minus infinity, and the few beyond the table.
        width, rest = int(counts.max()), self._rest.shape[1]
        values = np.full((len(members), width + rest), -np.inf, dtype=np.float32)
        tokens = np.full(values.shape, size, dtype=np.int64)
        values[row, place] = inside[which, line]
        tokens[row, place] = line * self.columns + column[which]
        values[:, width:] = self._rest[members]
        tokens[:, width:] = np.arange(size - rest, size)
        order = np.lexsort((tokens, -values), axis=1)[:, :count]
        found: Ints = np.take_along_axis(tokens, order, axis=1)
        return found

    def some_largest(self, index: int, count: int) -> Ints:
        """At least the ``count`` largest of row ``index``, in the order of the row; all of them when asked for many."""
        if count * 4 > self.columns:
            return np.arange(self.rows.shape[1])
        return self.above(index, float(_nth_largest(self.peaks[index : index + 1], count)[0]))

    def above(self, index: int, threshold: float) -> Ints:
        """Where row ``index`` is at least ``threshold``, in the order of the row."""
        columns = np.flatnonzero(self.peaks[index] >= threshold)
        if len(columns) * 8 > self.columns:
            return np.flatnonzero(self.rows[index] >= threshold)
        inside = self._table[index].take(columns, axis=1)
        line, column = np.divmod(np.flatnonzero(inside >= threshold), max(1, len(columns)))
        rest = np.flatnonzero(self._rest[index] >= threshold) + SPAN * self.columns
        return np.concatenate([line * self.columns + columns[column], rest])


def _places(mask: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Line and column of everything that is true; much faster than numpy's own way to say so."""
    return np.divmod(np.flatnonzero(mask), mask.shape[1])


def _nth_largest(rows: Rows, count: int) -> Rows:
    """The ``count``-th largest number of each row."""
    at = rows.shape[1] - count
    found: Rows = np.partition(rows, at, axis=1)[:, at]
    return found


def _sorted_largest(rows: Rows, count: int) -> Ints:
    """:meth:`Logits.largest` by looking at everything."""
    size = rows.shape[1]
    if count < size:
        chosen = np.sort(np.argpartition(rows, size - count, axis=1)[:, size - count :])
    else:
        chosen = np.broadcast_to(np.arange(size), rows.shape)
    order = np.argsort(-np.take_along_axis(rows, chosen, axis=1), axis=1, kind="stable")
    result: Ints = np.take_along_axis(chosen, order, axis=1)
    return result
