"""Turns a plan into the tensors of one step, in arrays that are allocated once and written in place."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.scheduler import Chunk
from mistralrs.engine.vector import IntVector
from mistralrs.errors import EngineError
from mistralrs.ops.meta import AttentionMeta


@dataclass(slots=True)
class Batch:
    """The input of one forward pass. Its tensors are overwritten by the next :meth:`BatchBuilder.build`.

    ``ids`` and ``positions`` are int64 ``[tokens]``; ``rows`` int64 ``[n]`` are the tokens whose logits are wanted.
    """

    ids: Tensor
    positions: Tensor
    rows: Tensor
    meta: AttentionMeta


class _Buffer:
    """An int64 array that numpy writes on the host and the model reads on its device."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        on_host = device.type == "cpu"
        self._host = torch.zeros(shape, dtype=torch.int64, pin_memory=not on_host)
        self._device = self._host if on_host else torch.zeros(shape, dtype=torch.int64, device=device)
        self.array = self._host.numpy()
        self._view = self._device[:0]
        self.is_copied = not on_host  # from where numpy writes

    def tensor(self, length: int) -> Tensor:
        """The first ``length`` rows on the device."""
        if len(self._view) != length:  # answers of the same requests take the same lengths, step after step
            self._view = self._device[:length]
        if self.is_copied:
            self._view.copy_(self._host[:length], non_blocking=True)
        return self._view


class BatchBuilder:
    """The step's arrays. The block table is as wide as a sequence can get, so only batch size changes its shape."""

    def __init__(self, config: EngineConfig, device: torch.device) -> None:
        tokens, seqs = config.max_batched_tokens, config.max_seqs
        width = min(config.num_blocks, config.blocks_for(config.context_length + 1))
        self._block_size = config.block_size
        self._ids = _Buffer((tokens,), device)
        self._positions = _Buffer((tokens,), device)
        self._slots = _Buffer((tokens,), device)
        self._limits = _Buffer((tokens,), device)
        self._rows = _Buffer((seqs,), device)
        self._query_start = _Buffer((seqs + 1,), device)
        self._context = _Buffer((seqs,), device)
        self._blocks = _Buffer((seqs, width), device)
        self._states = (_Buffer((seqs,), device), _Buffer((seqs,), device)) if config.num_states else None
        self._filled = [0] * seqs  # how much of each row of the table is not zero
        self._owners = [(IntVector(), 0)] * seqs  # whose blocks these are, and how often it had been cleared
        self._counting = np.arange(max(tokens, config.context_length + 1))
        advanced = (self._ids, self._positions, self._slots, self._context)
        self._written = tuple(memoryview(buffer.array) for buffer in advanced)  # type: ignore[arg-type]
        self._answers: Batch | None = None  # the last batch, if it had one token of each sequence

    def build(self, chunks: Items[Chunk]) -> Batch:
        """The batch of ``chunks``, one after another; ``rows`` has one entry for each chunk that samples."""
        batch = self._answers
        if batch is None or not self._advance(chunks, batch.meta):
            batch = self._fill(chunks)
            self._answers = batch if len(batch.rows) == len(batch.ids) == len(chunks) else None
        if self._states is not None:
            batch.meta.states_from, batch.meta.states_to = self._write_states(chunks, *self._states)
        return batch

    def _advance(self, chunks: Items[Chunk], meta: AttentionMeta) -> bool:
        """Take the last batch's answers a token further. False if ``chunks`` are something else than their next ones.

        The common case, and on a path where a processor waits: numbers are written one by one, since numpy needs more
        for an operation on a few of them.
        """
        contexts, size = meta.contexts, self._block_size
        if len(chunks) != len(contexts):
            return False
        ids, positions, slots, context = self._written
        for row, chunk in enumerate(chunks):
            sequence, start = chunk.sequence, chunk.start
            blocks, cleared = self._owners[row]
            if sequence.blocks is not blocks or blocks.cleared != cleared or start != contexts[row] or chunk.count != 1:
                return False
            ids[row] = sequence.tokens.last
            positions[row] = start
            contexts[row] = context[row] = start + 1
            if start % size:
                slots[row] += 1
            else:
                self._write_blocks(chunk, row)
                slots[row] = blocks[start // size] * size
        if self._ids.is_copied:
            for buffer in (self._ids, self._positions, self._slots, self._context, self._blocks):
                buffer.tensor(len(chunks))
        return True

    def _fill(self, chunks: Items[Chunk]) -> Batch:
        tokens, wanted = 0, 0
        queries: list[int] = []
        contexts: list[int] = []
        for row, chunk in enumerate(chunks):
            self._write_tokens(chunk, tokens)
            self._write_blocks(chunk, row)
            tokens += chunk.count
            queries.append(chunk.count)
            contexts.append(chunk.end)
            self._query_start.array[row + 1] = tokens
            if chunk.samples:
                self._rows.array[wanted] = tokens - 1
                wanted += 1
        seqs = len(queries)
        self._context.array[:seqs] = contexts
        meta = AttentionMeta(
            query_start=self._query_start.tensor(seqs + 1),
            context=self._context.tensor(seqs),
            slots=self._slots.tensor(tokens),
            blocks=self._blocks.tensor(seqs),
            queries=queries,
            contexts=contexts,
            limits=self._limits.tensor(tokens),
        )
        ids, positions = self._ids.tensor(tokens), self._positions.tensor(tokens)
        return Batch(ids=ids, positions=positions, rows=self._rows.tensor(wanted), meta=meta)

    def _write_tokens(self, chunk: Chunk, at: int) -> None:
        sequence, size = chunk.sequence, self._block_size
        if chunk.count == 1:  # the common case, without arrays of one number
            block, offset = divmod(chunk.start, size)
            self._ids.array[at] = sequence.tokens[chunk.start]
            self._positions.array[at] = chunk.start
            self._limits.array[at] = sequence.limit
            self._slots.array[at] = sequence.blocks[block] * size + offset
            return
        to = slice(at, at + chunk.count)
        positions = self._counting[chunk.start : chunk.end]
        self._ids.array[to] = sequence.tokens.array[chunk.start : chunk.end]
        self._positions.array[to] = positions
        self._limits.array[to] = sequence.limit
        self._slots.array[to] = sequence.blocks.array[positions // size] * size + positions % size

    def _write_blocks(self, chunk: Chunk, row: int) -> None:
        blocks, filled = chunk.sequence.blocks, self._filled[row]
        owner, count = (blocks, blocks.cleared), len(blocks)
        if self._owners[row] == owner and count == filled:
            return
        table = self._blocks.array[row]
        table[:count] = blocks.array
        if count < filled:
            table[count:filled] = 0
        self._filled[row], self._owners[row] = count, owner

    def _write_states(self, chunks: Items[Chunk], source: _Buffer, target: _Buffer) -> tuple[Tensor, Tensor]:
        """Where each sequence's states are read and written; one at its beginning reads nothing, whatever is named."""
        held = [chunk.sequence.states for chunk in chunks]
        for row, states in enumerate(held):
            if states is None:
                raise EngineError("a sequence runs without slots for its states")
            target.array[row] = states.target
            source.array[row] = states.other if states.source is None else states.source
        return source.tensor(len(held)), target.tensor(len(held))
