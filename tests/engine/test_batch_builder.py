"""A plan becomes the tensors that attention expects."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mistralrs.engine.batch import BatchBuilder
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.output import OutputText, TokenDecoder
from mistralrs.engine.request import Generate
from mistralrs.engine.scheduler import Chunk
from mistralrs.engine.sequence import Sequence
from mistralrs.engine.vector import IntVector

CONFIG = EngineConfig(
    num_blocks=40, context_length=64, vocab_size=1000, block_size=8, max_seqs=4, max_batched_tokens=64
)


def chunk(tokens: list[int], blocks: list[int], start: int, count: int) -> Chunk:
    sequence = Sequence(
        Generate(id=0, prompt=tuple(tokens)),
        np.array(tokens),
        seed=0,
        output=OutputText(TokenDecoder(None).stream(), ()),
        adjuster=None,
        arrived_at=0.0,
    )
    for block in blocks:
        sequence.blocks.append(block)
    sequence.computed = start
    return Chunk(sequence, start, count)


def test_a_ragged_batch_in_full() -> None:
    builder = BatchBuilder(CONFIG, torch.device("cpu"))
    batch = builder.build(
        [
            chunk(list(range(100, 110)), [5, 3], 9, 1),
            chunk(list(range(200, 220)), [7, 2, 9], 6, 4),
            chunk([300, 301, 302], [1], 0, 3),
        ]
    )
    assert batch.ids.tolist() == [109, 206, 207, 208, 209, 300, 301, 302]
    assert batch.positions.tolist() == [9, 6, 7, 8, 9, 0, 1, 2]
    assert batch.rows.tolist() == [0, 7]
    assert batch.meta.query_start.tolist() == [0, 1, 5, 8]
    assert batch.meta.context.tolist() == batch.meta.contexts == [10, 10, 3]
    assert batch.meta.queries == [1, 4, 3]
    assert batch.meta.slots.tolist() == [3 * 8 + 1, 7 * 8 + 6, 7 * 8 + 7, 16, 17, 8, 9, 10]
    assert batch.meta.blocks[:, :4].tolist() == [[5, 3, 0, 0], [7, 2, 9, 0], [1, 0, 0, 0]]
    assert batch.meta.blocks.is_contiguous()
    assert all(t.dtype == torch.int64 for t in (batch.ids, batch.rows, batch.meta.slots, batch.meta.blocks))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 40), st.integers(0, 39)), min_size=1, max_size=4), min_size=1, max_size=5
    )
)
def test_nothing_of_a_former_batch_shows_in_the_next(steps: list[list[tuple[int, int]]]) -> None:
    builder = BatchBuilder(CONFIG, torch.device("cpu"))
    for step in steps:
        chunks = []
        for length, done in step:
            start = min(done, length - 1)
            blocks = list(range(1, -(-length // 8) + 1))
            chunks.append(chunk(list(range(length)), blocks, start, min(length - start, 16)))
        reused, fresh = builder.build(chunks), BatchBuilder(CONFIG, torch.device("cpu")).build(chunks)
        for name in ("ids", "positions", "rows"):
            assert torch.equal(getattr(reused, name), getattr(fresh, name))
        for name in ("query_start", "context", "slots", "blocks"):
            assert torch.equal(getattr(reused.meta, name), getattr(fresh.meta, name))


def test_memory_is_not_allocated_again() -> None:
    builder = BatchBuilder(CONFIG, torch.device("cpu"))
    first = builder.build([chunk([1, 2, 3], [4], 0, 3)])
    second = builder.build([chunk([5], [6], 0, 1)])
    assert first.ids.data_ptr() == second.ids.data_ptr()
    assert first.meta.blocks.data_ptr() == second.meta.blocks.data_ptr()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["answer", "answer", "answer", "end", "begin", "return", "swap"]), max_size=60))
def test_answers_that_go_on_are_written_as_a_fresh_batch_is(events: list[str]) -> None:
    builder, free = BatchBuilder(CONFIG, torch.device("cpu")), iter(range(10_000))
    running: list[Sequence] = []
    for event in ["begin", "begin", *events]:
        if event == "begin" and len(running) < CONFIG.max_seqs:
            running.append(chunk(list(range(next(free) % 20 + 1)), [], 0, 1).sequence)
        elif event == "end" and running:
            running.pop(0)
        elif event == "return" and running:  # preempted, and taken up again with other blocks at the same token
            running[-1].blocks.clear()
        elif event == "swap":
            running.reverse()
        chunks = []
        for sequence in running:
            sequence.tokens.append(next(free) % 1000)
            while len(sequence.blocks) * CONFIG.block_size < sequence.length:
                sequence.blocks.append(next(free) % 39 + 1)
            chunks.append(Chunk(sequence, sequence.length - 1, 1))
            if sequence.length == CONFIG.context_length:
                sequence.tokens = IntVector([1])
        if not chunks:
            continue
        kept, fresh = builder.build(chunks), BatchBuilder(CONFIG, torch.device("cpu")).build(chunks)
        assert kept.meta.contexts == fresh.meta.contexts
        for name in ("ids", "positions", "rows"):
            assert torch.equal(getattr(kept, name), getattr(fresh, name)), name
        for name in ("query_start", "context", "slots", "blocks", "limits"):
            assert torch.equal(getattr(kept.meta, name), getattr(fresh.meta, name)), name
