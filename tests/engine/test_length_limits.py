"""Models whose positions depend on how long a sequence may become: the limit reaches them, and keys stay apart."""

from __future__ import annotations

import torch

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import Finished, Generate, SamplingParams
from mistralrs.engine.runner import ModelRunner
from mistralrs.ops import Ops, OpTable, StepContext
from mistralrs.testing.paged import reference_backend

VOCAB, CONTEXT = 16, 256


class ByLength:
    """Remembers each step's limits; sequences that may pass 64 tokens are of another class."""

    def __init__(self) -> None:
        self.limits: list[list[int]] = []

    def __call__(self, step: StepContext) -> torch.Tensor:
        assert step.meta.limits is not None
        self.limits.append(step.meta.limits.tolist())
        return torch.zeros(len(step.rows), VOCAB)

    def length_class(self, limit: int) -> tuple[int, ...]:
        return (int(limit > 64),)


def run(engine: Engine, request_id: int, max_tokens: int | None) -> Finished:
    sampling = SamplingParams(temperature=0.0, max_tokens=max_tokens, stop_token_ids=() if max_tokens else (0,))
    engine.add(Generate(id=request_id, prompt=tuple(i % VOCAB for i in range(40)), sampling=sampling))
    finished = [output for _ in range(8) if engine.has_work for output in engine.step()][-1]
    assert isinstance(finished, Finished)
    return finished


def test_the_limit_reaches_every_token_and_separates_the_prefix_cache() -> None:
    model = ByLength()
    runner = ModelRunner(model, (), Ops(OpTable([reference_backend()])), VOCAB, torch.device("cpu"), torch.float32)
    config = EngineConfig(num_blocks=32, block_size=8, context_length=CONTEXT, vocab_size=VOCAB)
    engine = Engine(runner, None, config)

    assert run(engine, 0, max_tokens=2).usage.cached_tokens == 0
    assert model.limits[0] == [42] * 40
    assert run(engine, 1, max_tokens=3).usage.cached_tokens == 32, "same class: keys are shared"
    assert run(engine, 2, max_tokens=None).usage.cached_tokens == 0, "other class: keys are not"
    assert model.limits[-1] == [CONTEXT] * 40
