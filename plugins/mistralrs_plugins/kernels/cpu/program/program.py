"""A program in memory: what the executor walks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.code import kernel_address
from mistralrs_plugins.kernels.cpu.jit.parallel import prepare
from mistralrs_plugins.kernels.cpu.program.arguments import (
    AddressOf,
    CodeOf,
    Current,
    Number,
    Place,
    Scratch,
    Stage,
    TilesFrom,
    float_word,
    plan_buffers,
)
from mistralrs_plugins.kernels.cpu.program.crossover import tiles_from
from mistralrs_plugins.kernels.cpu.program.room import Room
from mistralrs_plugins.kernels.cpu.threads import Pool

# Sizes that the executor's notes describe, in words.
_STAGE_WORDS, _CALL_WORDS = 32, 16


def aligned(words: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Zeroed int64 numbers that start at a cache line."""
    raw = np.zeros(words + 8, np.int64)
    skip = (-raw.ctypes.data // 8) % 8
    return raw[skip : skip + words]


class Program:
    """Stages of calls as memory that the executor walks. Room for ``capacity`` tokens, made larger when needed.

    ``further`` numbers follow the step's own. ``before`` is a kernel and the address of its arguments: it runs once
    ahead of the stages, and may write the numbers that their chunks are counted by.
    """

    def __init__(self, stages: Sequence[Stage], further: int = 0, before: tuple[str, int] | None = None) -> None:
        self._stages = [stage for stage in stages if stage.calls]
        self.row_bytes = plan_buffers(self._stages)
        self.capacity = 0
        self.numbers = aligned(len(Number) + further)
        self._pool: Any = None
        self._calls = [call for stage in self._stages for call in stage.calls]
        kernels = [kernel for call in self._calls for kernel in call.kernels]
        prepare(kernels)
        self._codes = {kernel: kernel_address(kernel) for kernel in kernels}
        self._before = (0, 0) if before is None else (kernel_address(before[0]), before[1])

    def fit(self, tokens: int, pool: Pool) -> None:
        """Have room for ``tokens`` and for the threads of ``pool``."""
        if tokens > self.capacity or pool is not self._pool:
            self._make_room(tokens, pool)
        self._memory.use(self.row_bytes * tokens)

    def _make_room(self, tokens: int, pool: Pool) -> None:
        if self._pool is not None:
            self._pool.settle()
        self._pool = pool
        self.capacity = max(self.capacity, 1 << (tokens - 1).bit_length())
        scratch = max((a.size for call in self._calls for a in call.arguments if isinstance(a, Scratch)), default=0)
        self._scratch_bytes = -(-scratch // 64) * 64
        self._scratch = aligned(pool.size * self._scratch_bytes // 8 + 8)
        self._memory = Room(self.row_bytes * self.capacity)
        self._write()

    def run(self) -> None:
        """Run with the numbers as they are."""
        self._arguments[self._places] = self.numbers[self._current]
        self.rerun()

    def rerun(self) -> None:
        """Run again; of the numbers only those have changed that kernels look up themselves."""
        self._pool.run(self._address)

    def address(self, place: Place) -> int:
        """Where a place is; another one after the next :meth:`fit`."""
        return self._memory.address + place.buffer.offset * self.capacity + place.offset

    def use(self, stage: int, calls: int) -> None:
        """Leave out all but the first ``calls`` of a stage."""
        self._tables[1][stage * _STAGE_WORDS + 18] = calls

    def _write(self) -> None:
        calls = aligned(len(self._calls) * _CALL_WORDS)
        stages = aligned(len(self._stages) * _STAGE_WORDS)
        self._arguments = aligned(sum(len(call.arguments) for call in self._calls))
        current: list[tuple[int, int]] = []
        at = 0
        for index, call in enumerate(self._calls):
            record = calls[index * _CALL_WORDS :]
            record[0] = self._codes[call.kernel]
            record[1] = self._arguments.ctypes.data + 8 * at
            record[2] = call.fixed
            for number, chunks in call.per.items():
                record[3 + number] = chunks
            for argument in call.arguments:
                if isinstance(argument, Current):
                    current.append((at, argument.number))
                else:
                    self._arguments[at] = self._word(argument)
                at += 1
        self._places, self._current = np.array(current, np.intp).reshape(-1, 2).T
        first = 0
        for index, stage in enumerate(self._stages):
            stages[index * _STAGE_WORDS + 17 : index * _STAGE_WORDS + 19] = first, len(stage.calls)
            first += len(stage.calls)
        self._tables = calls, stages
        self._header = aligned(8)
        self._header[:4] = len(self._stages), stages.ctypes.data, calls.ctypes.data, self.numbers.ctypes.data
        self._header[4:6] = self._before
        self._address = self._header.ctypes.data

    def _word(self, argument: Any) -> int:
        if isinstance(argument, AddressOf):
            return self.numbers.ctypes.data + 8 * argument.number
        if isinstance(argument, Place):
            return self.address(argument)
        if isinstance(argument, Scratch):
            return int(self._scratch.ctypes.data)
        if isinstance(argument, TilesFrom):
            return tiles_from(argument.layout)
        if isinstance(argument, CodeOf):
            return self._codes[argument.kernel]
        return float_word(argument) if isinstance(argument, float) else int(argument)
