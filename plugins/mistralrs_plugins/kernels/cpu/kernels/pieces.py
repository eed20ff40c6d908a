"""A row of logits in pieces for several threads, and the memory in which they leave what they find of it.

A piece's notes are the largest and the lowest logit, 4 bytes each, the sum of weights, 8 bytes, 16 bytes for the row's
own needs in the first piece, and room for a group and what it is compared with. Behind the notes of all pieces lie the
row's peaks and the sums of its groups, then each piece's bins, then 8 bytes for each number of the groups.
"""

from __future__ import annotations

from typing import Any

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f64, store_f32
from mistralrs_plugins.kernels.cpu.kernels.groups import INFINITY, find_peaks
from mistralrs_plugins.kernels.cpu.kernels.sizes import BINS, DRAW_GROUP, PIECE_BYTES

TILE = 32
"""Where in a piece's notes its room for a group starts."""


@inline
def peaks_at(notes: Any, pieces: Any) -> Any:
    """Where the largest logit of each group is, a float."""
    return notes + PIECE_BYTES * pieces


@inline
def sums_at(notes: Any, pieces: Any, size: Any) -> Any:
    """Where the sum of each group's weights is, a float."""
    return peaks_at(notes, pieces) + 4 * groups_in(size)


@inline
def bins_at(notes: Any, pieces: Any, size: Any) -> Any:
    """Where the first piece's bins are; the others' follow."""
    return peaks_at(notes, pieces) + 8 * groups_in(size)


@inline
def keys_at(notes: Any, pieces: Any, size: Any) -> Any:
    """Where the weights of the whole row are kept, and later the keys of a bin."""
    return bins_at(notes, pieces, size) + 16 * BINS * pieces


@inline
def groups_in(size: Any) -> Any:
    """How many groups a row has."""
    return (size + DRAW_GROUP - 1) // DRAW_GROUP


@inline
def first_group(piece: Any, pieces: Any, size: Any) -> Any:
    """The first group of a piece."""
    return piece * groups_in(size) // pieces


@part
def bounds(notes: Any, pieces: Any) -> Any:
    """The largest and the lowest logit of a row."""
    largest, lowest = -INFINITY, INFINITY
    for piece in range(notes, notes + PIECE_BYTES * pieces, PIECE_BYTES):
        largest, lowest = max(largest, load_f32(piece)), min(lowest, load_f32(piece + 4))
    return largest, lowest


@part
def scan(row: Any, size: Any, notes: Any, piece: Any, pieces: Any) -> None:
    """Find a piece's peaks, its largest and its lowest logit."""
    here, peaks = notes + PIECE_BYTES * piece, peaks_at(notes, pieces)
    begin, end = first_group(piece, pieces, size), first_group(piece + 1, pieces, size)
    largest, lowest = find_peaks(row, size, begin, end, peaks, here + TILE)
    store_f32(here, largest)
    store_f32(here + 4, lowest)


@inline
def total_weight(notes: Any, pieces: Any) -> Any:
    """The sum of a row's weights."""
    total = 0.0
    for piece in range(notes, notes + PIECE_BYTES * pieces, PIECE_BYTES):
        total += load_f64(piece + 8)
    return total
