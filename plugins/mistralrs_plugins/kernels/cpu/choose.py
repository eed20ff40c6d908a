"""Tokens and log-probabilities from rows of logits, and what changes these before."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mistralrs.ops import Adjustments
from mistralrs_plugins.kernels.cpu.kernels.sizes import BINS, DRAW_GROUP, DRAW_SETTINGS
from mistralrs_plugins.kernels.cpu.program.arguments import Argument, Call, Current, Number, Scratch, Stage
from mistralrs_plugins.kernels.cpu.program.program import Program
from mistralrs_plugins.kernels.cpu.threads import shared_pool

_lock = threading.Lock()


def draw(logits: Tensor, settings: Tensor) -> Tensor:
    """See :meth:`mistralrs.ops.Ops.draw`."""
    logits, settings = logits.float().contiguous(), settings.double().contiguous()
    if settings.shape != (len(logits), DRAW_SETTINGS):
        raise ValueError(f"settings of shape {tuple(settings.shape)} for {len(logits)} rows")
    tokens = torch.empty(len(logits), dtype=torch.int64)
    _run(
        _draw_program(logits.shape[1]), logits, {Number.SETTINGS: settings.data_ptr(), Number.CHOSEN: tokens.data_ptr()}
    )
    return tokens


def likeliest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """See :meth:`mistralrs.ops.Ops.likeliest`."""
    logits, count = logits.float().contiguous(), min(count, logits.shape[1])
    totals = torch.empty(len(logits), dtype=torch.float64)
    tokens = torch.empty(len(logits), count, dtype=torch.int64)
    numbers = {Number.WANTED: count, Number.TOTALS: totals.data_ptr(), Number.CHOSEN: tokens.data_ptr()}
    _run(_likeliest_program(logits.shape[1]), logits, numbers)
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


def _scratch(vocab: int) -> list[Argument]:
    """Bins, a group's weights and places, two numbers for each group, and a key for each token."""
    size = 16 * BINS + 8 * DRAW_GROUP + 16 * -(-vocab // DRAW_GROUP) + 8 * vocab
    size = -(-size // 64) * 64
    return [Scratch(size), size]


@lru_cache(maxsize=8)
def _draw_program(vocab: int) -> Program:
    given: list[Argument] = [Current(Number.LOGITS), 4 * vocab, vocab, Current(Number.SETTINGS), Current(Number.CHOSEN)]
    return Program([Stage([Call("draws:draw", [*given, *_scratch(vocab)], per={Number.TOKENS: 1})])])


@lru_cache(maxsize=8)
def _likeliest_program(vocab: int) -> Program:
    given: list[Argument] = [Current(Number.LOGITS), 4 * vocab, vocab, Current(Number.WANTED), Current(Number.TOTALS)]
    call = Call("draws:likeliest", [*given, Current(Number.CHOSEN), *_scratch(vocab)], per={Number.TOKENS: 1})
    return Program([Stage([call])])


@lru_cache(maxsize=8)
def _adjust_program(vocab: int) -> Program:
    given: list[Argument] = [Current(Number.LOGITS), vocab, Current(Number.CHANGES)]
    return Program([Stage([Call("changes:adjust", [*given, *_scratch(vocab)], per={Number.TOKENS: 1})])])


@lru_cache(maxsize=1)
def _restore_program() -> Program:
    given: list[Argument] = [Current(Number.LOGITS), Current(Number.CHOSEN), Current(Number.TOTALS)]
    return Program([Stage([Call("changes:restore", [*given, Current(Number.WANTED)], fixed=1)])])
