"""A compiled step: a program in memory, filled with one step's numbers and run."""

from __future__ import annotations

import logging
import operator
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mistralrs.ops import LayerCache, StepContext
from mistralrs_plugins.kernels.cpu.kernels.sizes import ITEM_WORDS, MERGE_WORDS, SEGMENT
from mistralrs_plugins.kernels.cpu.program.arguments import Number
from mistralrs_plugins.kernels.cpu.program.choosing import Choosing, fits
from mistralrs_plugins.kernels.cpu.program.lowering import Lowering
from mistralrs_plugins.kernels.cpu.program.program import Program, aligned
from mistralrs_plugins.kernels.cpu.threads import Pool, shared_pool

log = logging.getLogger(__name__)

_MOST_PARTIALS = 1 << 22
"""Floats of partial results at most; what they would not hold of a step's long pasts is not shared out."""
_AHEAD = 1024
"""Tokens by which contexts may grow before room is made anew."""


class CompiledStep:
    """Takes any step of the model whose recording was lowered, and draws the next tokens if they are wanted."""

    def __init__(self, lowering: Lowering, play: Callable[[StepContext], Tensor]) -> None:
        self._cuts = aligned(8)
        self._stages = lowering.stages
        self._keep = lowering.keep
        self._vocab = lowering.vocab
        self._compose(full=False)
        self._attention = lowering.attention
        self._reads_limits = lowering.reads_limits
        self._play = play
        self._lock = threading.Lock()
        self._items = aligned(0)
        self._told = False
        # The last step's arrays and what there is room for; engines write the next one's into the same.
        self._filled: tuple[object, ...] = ()
        self._starts, self._tokens, self._reach = np.zeros(1, np.int64), 0, 0
        self._draws = False

    def __call__(self, step: StepContext) -> Tensor:
        """Logits in float32 of the step's rows, ``[rows, vocab]``."""
        with self._lock:
            if step.out is not None and self._is_known(step):
                self._program.rerun()
                step.out.drawn = self._draws
                return step.out.logits
            if self._covers(step):
                return self._run(step)
        if not self._told:
            self._told = True
            log.info("a step whose inputs are not solid int64 arrays is run operation by operation")
        return self._play(step)

    def _compose(self, *, full: bool) -> None:
        """Make the program. What few requests ask for when a token is chosen is part of it once one has."""
        self._choosing = Choosing(self._vocab, full=full)
        stages = [*self._stages, *self._choosing.stages]
        self._program = Program(stages, before=("cuts:plan", self._cuts.ctypes.data))

    def _is_known(self, step: StepContext) -> bool:
        """Whether the step's arrays are the last one's, written anew: then only what is in them has to be checked."""
        same = len(self._filled) > 0 and all(map(operator.is_, self._memory(step), self._filled))
        return same and self._starts.item(-1) == self._tokens and max(step.meta.contexts) <= self._reach

    def _inputs(self, step: StepContext) -> tuple[Tensor, ...]:
        """The arrays that kernels read."""
        meta = step.meta
        limits = (meta.limits,) if self._reads_limits and meta.limits is not None else ()
        return step.ids, step.positions, step.rows, meta.slots, meta.context, meta.query_start, meta.blocks, *limits

    def _memory(self, step: StepContext) -> tuple[object, ...]:
        """What has to be the same for the addresses to be the same."""
        return *self._inputs(step), step.out, shared_pool()

    def _covers(self, step: StepContext) -> bool:
        """Whether kernels can read the step's arrays, and the block table is wide enough for the longest context."""
        meta, tokens = step.meta, step.ids.shape[0]
        if self._reads_limits and (meta.limits is None or meta.limits.shape[0] != tokens):
            return False
        if not all(tensor.dtype == torch.int64 and tensor.is_contiguous() for tensor in self._inputs(step)):
            return False
        seqs = meta.context.shape[0]
        sizes = step.positions.shape[0] == meta.slots.shape[0] == tokens and meta.blocks.shape[0] >= seqs
        reaches = int(meta.query_start[-1]) == tokens and meta.query_start.shape[0] == seqs + 1
        return sizes and reaches and max(meta.contexts, default=0) <= _table_reach(step)

    def _run(self, step: StepContext) -> Tensor:
        """Take the addresses of another step's arrays, and run."""
        rows, tokens, pool = step.rows.shape[0], step.ids.shape[0], shared_pool()
        out = step.out if step.out is not None and fits(step.out, rows, self._vocab) else None
        logits = torch.empty(rows, self._vocab, dtype=torch.float32) if out is None else out.logits
        if not tokens:
            return logits
        if out is not None and out.choice is not None and not self._choosing.full:
            pool.settle()
            self._compose(full=True)
        numbers = self._program.numbers
        self._program.fit(max(tokens, rows), pool)
        _number(step, numbers)
        numbers[Number.LOGITS] = logits.data_ptr()
        self._draws = self._choosing.begin(self._program, out, rows)
        self._reach = min(max(step.meta.contexts) + _AHEAD, _table_reach(step))
        self._cut(numbers, tokens, pool)
        self._program.run()
        if out is not None:
            out.drawn = self._draws
        self._filled = () if out is None else self._memory(step)
        self._starts, self._tokens = step.meta.query_start.numpy(), tokens
        return logits

    def _cut(self, numbers: Any, tokens: int, pool: Pool) -> None:
        """Set up the plan of the step's attention: items, merges, and room for the partial results of long pasts."""
        seqs, needs = int(numbers[Number.SEQUENCES]), self._attention
        room = 0
        if pool.size > 1 and needs.partial_floats:
            room = min(seqs * -(-self._reach // SEGMENT), _MOST_PARTIALS // needs.partial_floats)
        most = tokens + seqs + room
        words = most * (ITEM_WORDS + MERGE_WORDS) + room * -(-needs.partial_floats // 2)
        if words > len(self._items):
            self._items = aligned(2 * words)
        items = self._items.ctypes.data
        merges = items + 8 * ITEM_WORDS * most
        numbers[Number.ITEM_LIST], numbers[Number.MERGE_LIST] = items, merges
        numbers[Number.PARTIALS] = merges + 8 * MERGE_WORDS * most
        counts = numbers.ctypes.data + 8 * Number.ITEMS
        self._cuts[:] = (
            seqs, numbers[Number.QUERY_START], numbers[Number.CONTEXT], needs.tokens, room, items, merges, counts,
        )  # fmt: skip


def _number(step: StepContext, numbers: Any) -> None:
    """Write down where the step's arrays are, and how long."""
    meta = step.meta
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
    numbers[Number.LIMITS] = 0 if meta.limits is None else meta.limits.data_ptr()


def _table_reach(step: StepContext) -> int:
    """Tokens of the longest context for which the block table has columns."""
    sizes = [cache.block_size for cache in step.caches[:1] if isinstance(cache, LayerCache)]
    return step.meta.blocks.shape[1] * sizes[0] if sizes else sys.maxsize
