"""Tokens and log-probabilities from rows of logits, and what changes these before."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mistralrs.ops import Adjustments
from mistralrs.ops.live import RECORD_WORDS
from mistralrs_plugins.kernels.cpu.kernels.sizes import DRAW_SETTINGS
from mistralrs_plugins.kernels.cpu.program.arguments import Argument, Buffer, Call, Current, Number, Place, Stage
from mistralrs_plugins.kernels.cpu.program.choosing import (
    adjust_stages,
    draw_stages,
    likeliest_stages,
    memory_of,
    shares_out,
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


def likeliest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """See :meth:`mistralrs.ops.Ops.likeliest`."""
    logits, count = logits.float().contiguous(), min(count, logits.shape[1])
    totals = torch.empty(len(logits), dtype=torch.float64)
    tokens = torch.empty(len(logits), count, dtype=torch.int64)
    numbers = {Number.TOP: count, Number.TOTALS: totals.data_ptr(), Number.CHOSEN: tokens.data_ptr()}
    _run(_likeliest_program(logits.shape[1], shares_out(*logits.shape)), logits, numbers)
    return totals, tokens


def adjust(logits: Tensor, changes: Adjustments) -> tuple[Tensor, Tensor]:
    """See :meth:`mistralrs.ops.Ops.adjust`."""
    _solid(logits)
    room = len(changes.history) + len(changes.seen) + len(changes.biased)
    places, values = torch.full((room,), -1, dtype=torch.int64), torch.empty(room, dtype=torch.float32)
    records = _records(changes, places, values)
    table = np.zeros(len(logits), np.int64)
    table[changes.rows.numpy()] = records.ctypes.data + records.strides[0] * np.arange(len(records))
    _run(_adjust_program(logits.shape[1]), logits, {Number.CHANGES: table.ctypes.data})
    return places, values


def _records(changes: Adjustments, places: Tensor, values: Tensor) -> NDArray[np.int64]:
    """Each row's share as kernels read it: see :class:`mistralrs.ops.LiveChanges`."""
    ends = changes.ends.numpy()
    sizes = np.diff(ends, axis=0, prepend=0)
    starts = (ends - sizes).T
    noted = starts[0] + starts[2] + starts[3]
    records = np.zeros((len(ends), RECORD_WORDS), np.int64)
    records[:, :6] = changes.settings.numpy().view(np.int64)
    records[:, [7, 9, 12, 15]] = sizes
    lists = [(changes.history, 0), (changes.breakers, 1), (changes.seen, 2), (changes.counts, 2)]
    lists += [(changes.biased, 3), (changes.bias, 3)]
    for word, (tensor, which) in zip((6, 8, 10, 11, 13, 14), lists, strict=True):
        records[:, word] = tensor.data_ptr() + 8 * starts[which]
    records[:, 16], records[:, 17] = places.data_ptr() + 8 * noted, values.data_ptr() + 4 * noted
    return records


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


@lru_cache(maxsize=8)
def _draw_program(vocab: int, shared: bool) -> Program:
    return Program(draw_stages(vocab, Number.TOKENS, _row_memory(vocab) if shared else None))


@lru_cache(maxsize=8)
def _likeliest_program(vocab: int, shared: bool) -> Program:
    return Program(likeliest_stages(vocab, Number.TOKENS, _row_memory(vocab) if shared else None))


@lru_cache(maxsize=8)
def _adjust_program(vocab: int) -> Program:
    return Program(adjust_stages(vocab, Number.TOKENS))


@lru_cache(maxsize=1)
def _restore_program() -> Program:
    given: list[Argument] = [Current(Number.LOGITS), Current(Number.CHOSEN), Current(Number.TOTALS)]
    return Program([Stage([Call("changes:restore", [*given, Current(Number.WANTED)], fixed=1)])])


def _row_memory(vocab: int) -> Place:
    """Memory that each row has for itself."""
    return Place(Buffer(memory_of(vocab)), 0)
