"""Tokens and log-probabilities from rows of logits: the operations ``draw`` and ``likeliest``."""

from __future__ import annotations

import threading
from functools import lru_cache

import torch
from torch import Tensor

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
    """Bins, a group's weights, two numbers for each group, and a key for each token."""
    size = 16 * BINS + 4 * DRAW_GROUP + 16 * -(-vocab // DRAW_GROUP) + 8 * vocab
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
