"""A compiled step: a program in memory, filled with one step's numbers and run."""

from __future__ import annotations

import logging
import operator
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mistralrs.ops import LayerCache, StepContext
from mistralrs_plugins.kernels.cpu.jit.code import kernel_function
from mistralrs_plugins.kernels.cpu.kernels.sizes import ITEM_WORDS, MERGE_WORDS, SEGMENT
from mistralrs_plugins.kernels.cpu.program.arguments import Number
from mistralrs_plugins.kernels.cpu.program.lowering import Lowering
from mistralrs_plugins.kernels.cpu.program.program import Program, aligned
from mistralrs_plugins.kernels.cpu.threads import Pool, shared_pool

log = logging.getLogger(__name__)

_MOST_PARTIALS = 1 << 22
"""Floats of partial results at most; what they would not hold of a step's long pasts is not shared out."""


class CompiledStep:
    """Takes any step of the model whose recording was lowered."""

    def __init__(self, lowering: Lowering, play: Callable[[StepContext], Tensor]) -> None:
        self._program = Program(lowering.stages)
        self._keep = lowering.keep
        self._vocab = lowering.vocab
        self._attention = lowering.attention
        self._play = play
        self._plan = kernel_function("cuts:plan", 1)
        self._plan_arguments = aligned(16)
        self._lock = threading.Lock()
        self._items = aligned(0)
        self._told = False
        # The last step's arrays; engines write the next one's into the same.
        self._filled: tuple[object, ...] = (None,)
        self._filled_tokens, self._starts = 0, np.zeros(1, np.int64)

    def __call__(self, step: StepContext) -> Tensor:
        """Logits in float32 of the step's rows, ``[rows, vocab]``."""
        rows = step.rows.shape[0]
        with self._lock:
            if self._is_known(step) or self._fill(step):
                logits = torch.empty(rows, self._vocab, dtype=torch.float32)
                if self._filled_tokens:
                    self._run(step, logits)
                return logits
        if not self._told:
            self._told = True
            log.info("a step whose inputs are not solid int64 arrays is run operation by operation")
        return self._play(step)

    def _run(self, step: StepContext, logits: Tensor) -> None:
        tokens, pool, numbers = self._filled_tokens, shared_pool(), self._program.numbers
        self._program.fit(max(tokens, logits.shape[0]), pool)
        numbers[Number.LOGITS] = logits.data_ptr()
        self._cut(numbers, tokens, max(step.meta.contexts, default=0), pool)
        self._program.run()

    def _is_known(self, step: StepContext) -> bool:
        """Whether the step's arrays are the last one's, written anew: then only what is in them has to be checked."""
        same = all(map(operator.is_, _inputs(step), self._filled))
        return same and self._starts.item(-1) == self._filled_tokens and self._table_reaches(step)

    def _covers(self, step: StepContext) -> bool:
        meta, tokens, inputs = step.meta, step.ids.shape[0], _inputs(step)
        if not all(tensor.dtype == torch.int64 and tensor.is_contiguous() for tensor in inputs):
            return False
        seqs = meta.context.shape[0]
        sizes = step.positions.shape[0] == meta.slots.shape[0] == tokens and meta.blocks.shape[0] >= seqs
        reaches = int(meta.query_start[-1]) == tokens and meta.query_start.shape[0] == seqs + 1
        return sizes and reaches and self._table_reaches(step)

    def _table_reaches(self, step: StepContext) -> bool:
        """Whether the block table is wide enough for the longest context."""
        sizes = [cache.block_size for cache in step.caches[:1] if isinstance(cache, LayerCache)]
        return not sizes or max(step.meta.contexts) <= step.meta.blocks.shape[1] * sizes[0]

    def _fill(self, step: StepContext) -> bool:
        """Take the addresses of another step's arrays; False when kernels cannot read them."""
        if not self._covers(step):
            return False
        meta, numbers = step.meta, self._program.numbers
        self._filled, self._filled_tokens, self._starts = _inputs(step), step.ids.shape[0], meta.query_start.numpy()
        numbers[Number.TOKENS] = step.ids.shape[0]
        numbers[Number.ROWS] = step.rows.shape[0]
        numbers[Number.IDS] = step.ids.data_ptr()
        numbers[Number.POSITIONS] = step.positions.data_ptr()
        numbers[Number.WANTED] = step.rows.data_ptr()
        numbers[Number.SLOTS] = meta.slots.data_ptr()
        numbers[Number.BLOCKS] = meta.blocks.data_ptr()
        numbers[Number.BLOCKS_WIDTH] = meta.blocks.shape[1]
        numbers[Number.CONTEXT] = meta.context.data_ptr()
        numbers[Number.QUERY_START] = meta.query_start.data_ptr()
        numbers[Number.SEQUENCES] = meta.context.shape[0]
        return True

    def _cut(self, numbers: Any, tokens: int, longest: int, pool: Pool) -> None:
        """Plan the step's attention: items, merges, and room for partial results of pasts up to ``longest``."""
        seqs, needs = int(numbers[Number.SEQUENCES]), self._attention
        room = 0
        if pool.size > 1 and needs.partial_floats:
            room = min(seqs * -(-longest // SEGMENT), _MOST_PARTIALS // needs.partial_floats)
        most = tokens + seqs + room
        words = most * (ITEM_WORDS + MERGE_WORDS) + room * -(-needs.partial_floats // 2)
        if words > len(self._items):
            self._items = aligned(2 * words)
        items = self._items.ctypes.data
        merges = items + 8 * ITEM_WORDS * most
        numbers[Number.ITEM_LIST], numbers[Number.MERGE_LIST] = items, merges
        numbers[Number.PARTIALS] = merges + 8 * MERGE_WORDS * most
        counts = numbers.ctypes.data + 8 * Number.ITEMS
        self._plan_arguments[:8] = (
            seqs, numbers[Number.QUERY_START], numbers[Number.CONTEXT], needs.tokens, room, items, merges, counts,
        )  # fmt: skip
        self._plan(self._plan_arguments.ctypes.data)


def _inputs(step: StepContext) -> tuple[Tensor, ...]:
    """The arrays that kernels read."""
    meta = step.meta
    return step.ids, step.positions, step.rows, meta.slots, meta.context, meta.query_start, meta.blocks
