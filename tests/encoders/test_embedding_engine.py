"""The embedding engine keeps the promises of the other one: limits, one end for each request, nobody hurts anybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.embedder import EmbeddingEngine
from mistralrs.engine.pooling import Pooler
from mistralrs.engine.request import Embed, Embedded, Finished, FinishReason, Generate
from mistralrs.engine.thread import EngineThread
from mistralrs.errors import EngineError, RequestError

POISON, NAN = 7, 8
CONFIG = EngineConfig(
    num_blocks=16, block_size=8, context_length=32, vocab_size=10, max_seqs=4, max_batched_tokens=40, max_waiting=6
)


class Ids:
    """A runner whose hidden state of a token is its id, twice."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.steps: list[list[int]] = []

    def allocate(self, num_blocks: int, block_size: int) -> None:
        pass

    def forward(self, batch: Any) -> Tensor:
        self.steps.append(list(batch.meta.queries))
        ids = batch.ids[batch.rows].float()
        if (batch.ids == POISON).any():
            raise ValueError("poison")
        return torch.where(ids == NAN, torch.nan, ids)[:, None].repeat(1, 2)


@pytest.fixture
def engine() -> EmbeddingEngine:
    return EmbeddingEngine(Ids(), CONFIG, Pooler(poolings=("mean",)))  # type: ignore[arg-type]


def run(engine: EmbeddingEngine) -> dict[int, list[Any]]:
    """All output until there is nothing to do, by request."""
    found: dict[int, list[Any]] = {}
    while engine.has_work:
        for output in engine.step():
            found.setdefault(output.id, []).append(output)
    return found


def test_vectors_and_one_end_each(engine: EmbeddingEngine) -> None:
    for index, ids in enumerate([(1,), (1, 3), (2, 4, 6)]):
        engine.add(Embed(id=index, prompt=ids))
    found = run(engine)
    assert [float(found[index][0].values[0]) for index in range(3)] == [1.0, 2.0, 4.0]
    assert all([type(output) for output in found[index]] == [Embedded, Finished] for index in range(3))
    assert found[2][1].usage.prompt_tokens == 3
    assert engine.stats().prompt_tokens == 6


def test_a_step_holds_what_fits(engine: EmbeddingEngine) -> None:
    for index in range(6):
        engine.add(Embed(id=index, prompt=(1,) * 16))
    run(engine)
    assert engine.runner.steps == [[16, 16], [16, 16], [16, 16]]  # type: ignore[attr-defined]


def test_a_bad_text_does_not_hurt_its_neighbours(engine: EmbeddingEngine) -> None:
    for index, token in enumerate((1, POISON, 2, NAN)):
        engine.add(Embed(id=index, prompt=(token,)))
    found = run(engine)
    assert [found[index][-1].reason for index in range(4)] == [
        FinishReason.STOP,
        FinishReason.ERROR,
        FinishReason.STOP,
        FinishReason.ERROR,
    ]
    assert "poison" not in str(found[1][-1].error)
    assert found[3][-1].error.code == "numerical_error"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Embed(id=0, prompt=()), "at least one token"),
        (Embed(id=0, prompt=(1, "x")), "list of at least one token id"),  # type: ignore[arg-type]
        (Embed(id=0, prompt=(10,)), "outside the vocabulary of 10"),
        (Embed(id=0, prompt=(-1,)), "outside the vocabulary of 10"),
        (Embed(id=0, prompt=(1,) * 33), "has 33 tokens, the model reads at most 32"),
        (Embed(id=0, prompt=(1,), second=2), "outside the input"),
        (Generate(id=0, prompt=(1,)), "does not generate text"),
    ],
)
def test_what_cannot_be_served_is_refused(engine: EmbeddingEngine, request_: Any, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        engine.add(request_)
    assert not engine.has_work


def test_truncation_keeps_the_beginning(engine: EmbeddingEngine) -> None:
    engine.add(Embed(id=0, prompt=(2,) * 32 + (9,) * 8, truncate=True))
    assert float(run(engine)[0][0].values[0]) == 2.0


def test_abort_and_overload(engine: EmbeddingEngine) -> None:
    for index in range(6):
        engine.add(Embed(id=index, prompt=(1,)))
    with pytest.raises(RequestError, match="6 requests are waiting"):
        engine.add(Embed(id=6, prompt=(1,)))
    engine.abort(2)
    engine.abort(99)
    found = run(engine)
    assert [type(output) for output in found[2]] == [Finished]
    assert found[2][0].reason is FinishReason.ABORT
    assert len(found) == 6


def test_ending_all_tells_everybody(engine: EmbeddingEngine) -> None:
    for index in range(3):
        engine.add(Embed(id=index, prompt=(1,)))
    outputs = engine.end_all(EngineError("gone"))
    assert [output.id for output in outputs] == [0, 1, 2]
    assert not engine.has_work


def test_it_runs_on_the_engine_s_thread(engine: EmbeddingEngine) -> None:
    import queue

    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    deliver: Callable[[Any], None] = heard.put
    thread = EngineThread(engine).start()
    thread.submit(Embed(id=0, prompt=(3,)), deliver)
    thread.submit(Embed(id=1, prompt=()), deliver)
    kinds = {}
    while sum(isinstance(output, Finished) for output in kinds.values()) < 2:
        output = heard.get(timeout=100)
        kinds[output.id, type(output).__name__] = output
    assert float(kinds[0, "Embedded"].values[0]) == 3.0
    assert kinds[1, "Finished"].reason is FinishReason.ERROR
    assert thread.close(100)
