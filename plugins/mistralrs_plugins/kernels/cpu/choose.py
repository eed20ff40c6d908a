"""Tokens and log-probabilities from rows of logits, and what changes these before."""

from __future__ import annotations

import threading
from collections.abc import Sequence as Items
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mistralrs.ops import Adjustments
from mistralrs_plugins.kernels.cpu.kernels.sizes import BINS, DRAW_GROUP, DRAW_SETTINGS, PIECE, PIECE_BYTES
from mistralrs_plugins.kernels.cpu.program.arguments import (
    Argument,
    Buffer,
    Call,
    Current,
    Number,
    Place,
    Scratch,
    Stage,
    strided,
)
from mistralrs_plugins.kernels.cpu.program.program import Program
from mistralrs_plugins.kernels.cpu.threads import shared_pool

_lock = threading.Lock()


def draw(logits: Tensor, settings: Tensor) -> Tensor:
    """See :meth:`mistralrs.ops.Ops.draw`."""
    logits, settings = logits.float().contiguous(), settings.double().contiguous()
    if settings.shape != (len(logits), DRAW_SETTINGS):
        raise ValueError(f"settings of shape {tuple(settings.shape)} for {len(logits)} rows")
    tokens = torch.empty(len(logits), dtype=torch.int64)
    program = _draw_program(logits.shape[1], shares_out(*logits.shape))
    _run(program, logits, {Number.SETTINGS: settings.data_ptr(), Number.CHOSEN: tokens.data_ptr()})
    return tokens


def draw_call(vocab: int, rows: Number) -> Call:
    """The call that draws a token from each of ``rows`` rows of logits."""
    return _by_rows("draws:draw", vocab, [Current(Number.SETTINGS), Current(Number.CHOSEN)], rows)


def likeliest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """See :meth:`mistralrs.ops.Ops.likeliest`."""
    logits, count = logits.float().contiguous(), min(count, logits.shape[1])
    totals = torch.empty(len(logits), dtype=torch.float64)
    tokens = torch.empty(len(logits), count, dtype=torch.int64)
    numbers = {Number.WANTED: count, Number.TOTALS: totals.data_ptr(), Number.CHOSEN: tokens.data_ptr()}
    _run(_likeliest_program(logits.shape[1], shares_out(*logits.shape)), logits, numbers)
    return totals, tokens


def adjust(logits: Tensor, changes: Adjustments) -> tuple[Tensor, Tensor]:
    """See :meth:`mistralrs.ops.Ops.adjust`."""
    _solid(logits)
    room = len(changes.history) + len(changes.seen) + len(changes.biased)
    places, values = torch.empty(room, dtype=torch.int64), torch.empty(room, dtype=torch.float32)
    given = [changes.rows, changes.settings, changes.ends, changes.history, changes.breakers, changes.seen]
    given += [changes.counts, changes.biased, changes.bias, places, values]
    table = np.array([tensor.data_ptr() for tensor in given])
    numbers = {Number.TOKENS: len(changes.rows), Number.CHANGES: table.ctypes.data}
    _run(_adjust_program(logits.shape[1]), logits, numbers)
    return places, values


def restore(logits: Tensor, places: Tensor, values: Tensor) -> None:
    """See :meth:`mistralrs.ops.Ops.restore`."""
    _solid(logits)
    numbers = {Number.CHOSEN: places.data_ptr(), Number.TOTALS: values.data_ptr(), Number.WANTED: len(places)}
    _run(_restore_program(), logits, numbers)


def _solid(logits: Tensor) -> None:
    if logits.dtype != torch.float32 or not logits.is_contiguous():
        raise ValueError("logits that are changed in place have to be solid float32 rows")


def _run(program: Program, logits: Tensor, numbers: dict[Number, int]) -> None:
    if not logits.numel():
        return
    pool = shared_pool()
    with _lock:
        program.numbers[Number.TOKENS], program.numbers[Number.LOGITS] = len(logits), logits.data_ptr()
        for number, value in numbers.items():
            program.numbers[number] = value
        program.fit(len(logits), pool)
        program.run()


def shares_out(rows: int, vocab: int) -> bool:
    """Whether threads share rows out in pieces. One that has a row to itself has it in its cache all the time."""
    return rows < 2 * shared_pool().size and _pieces(vocab) > 1


def _pieces(vocab: int) -> int:
    """How many pieces a row has: a power of two, so that they are shared out evenly."""
    return 1 << (-(-vocab // PIECE) - 1).bit_length()


def _memory(vocab: int) -> int:
    """Bytes for what is found of a row: see :mod:`.kernels.pieces`."""
    groups = -(-vocab // DRAW_GROUP)
    size = _pieces(vocab) * (PIECE_BYTES + 16 * BINS) + 8 * groups + 8 * DRAW_GROUP * groups
    return -(-size // 64) * 64


def _by_rows(kernel: str, vocab: int, given: list[Argument], rows: Number = Number.TOKENS) -> Call:
    """A call that does a kernel's whole work, a row a chunk."""
    size = _memory(vocab)
    return Call(kernel, [*_row(vocab), *given, Scratch(size), size, 0], per={rows: 1})


def _by_pieces(kernel: str, vocab: int, given: list[Argument], chunks: Items[int]) -> Program:
    """A program that does a kernel's work in parts, each of so many ``chunks`` for each row."""
    memory = strided(Place(Buffer(_memory(vocab)), 0))
    calls = [
        Call(kernel, [*_row(vocab), *given, *memory, part], per={Number.TOKENS: count})
        for part, count in enumerate(chunks, 1)
    ]
    return Program([Stage([call]) for call in calls])


def _row(vocab: int) -> list[Argument]:
    return [Current(Number.LOGITS), 4 * vocab, vocab, _pieces(vocab)]


@lru_cache(maxsize=8)
def _draw_program(vocab: int, shared: bool) -> Program:
    pieces = _pieces(vocab)
    given: list[Argument] = [Current(Number.SETTINGS), Current(Number.CHOSEN)]
    if shared:
        return _by_pieces("draws:draw", vocab, given, (pieces, pieces, 1, pieces, 1))
    return Program([Stage([_by_rows("draws:draw", vocab, given)])])


@lru_cache(maxsize=8)
def _likeliest_program(vocab: int, shared: bool) -> Program:
    pieces = _pieces(vocab)
    given: list[Argument] = [Current(Number.WANTED), Current(Number.TOTALS), Current(Number.CHOSEN)]
    if shared:
        return _by_pieces("likely:likeliest", vocab, given, (pieces, 1))
    return Program([Stage([_by_rows("likely:likeliest", vocab, given)])])


@lru_cache(maxsize=8)
def _adjust_program(vocab: int) -> Program:
    given: list[Argument] = [Current(Number.LOGITS), vocab, Current(Number.CHANGES)]
    return Program([Stage([Call("changes:adjust", [*given, Scratch(8 * vocab), 8 * vocab], per={Number.TOKENS: 1})])])


@lru_cache(maxsize=1)
def _restore_program() -> Program:
    given: list[Argument] = [Current(Number.LOGITS), Current(Number.CHOSEN), Current(Number.TOTALS)]
    return Program([Stage([Call("changes:restore", [*given, Current(Number.WANTED)], fixed=1)])])
