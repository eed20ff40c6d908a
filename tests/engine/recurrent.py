"""A model that remembers in states: each sequence's is a running hash of its tokens, and so is its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from scripted import CPU, OPS, POISON, VOCAB
from torch import Tensor

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.runner import ModelRunner
from mistralrs.ops import PagedSpec, StateCache, StateSpec, StepContext

MODULUS = 65_521
"""With it, every product stays exact in float32."""


def advance(state: float, token: int) -> float:
    return (state * 31 + token + 7) % MODULUS


def answer_to(prompt: Sequence[int], count: int) -> tuple[int, ...]:
    """What the model says, computed without an engine."""
    state, past = 0.0, list(prompt)
    for token in past:
        state = advance(state, token)
    for _ in range(count):
        past.append(_said(state))
        state = advance(state, past[-1])
    return tuple(past[len(prompt) :])


def _said(state: float) -> int:
    return 1 + int(state) % (POISON - 1)


class RecurrentModel:
    """``module(step)``; handle 0 is the hash, the others make it a hybrid when ``attends``.

    A sequence with POISON gets NaN as its state. With ``fails``, a step of several sequences raises after it has
    written half of the states.
    """

    def __init__(self, *, attends: bool = False, fails: bool = False) -> None:
        self.caches = (StateSpec(shape=(1,)), *([PagedSpec(kv_heads=1, head_dim=1)] * attends))
        self.fails = fails
        self.batches: list[list[int]] = []

    def __call__(self, step: StepContext) -> Tensor:
        meta, memory = step.meta, step.caches[0]
        self.batches.append(list(meta.queries))
        assert isinstance(memory, StateCache)
        assert meta.states_from is not None
        assert meta.states_to is not None
        targets = meta.states_to.tolist()
        assert not set(targets) & set(meta.states_from.tolist()), "a state is written where one is read"
        assert len(set(targets)) == len(targets), "two sequences write one state"
        logits = torch.full((len(step.rows), VOCAB), -30.0)
        ends = meta.query_start[1:].tolist()
        answers = {}
        for row, (count, context) in enumerate(zip(meta.queries, meta.contexts, strict=True)):
            if self.fails and row > 0:
                raise RuntimeError("in the middle of a step")
            state = 0.0 if context == count else float(memory.states[meta.states_from[row]])
            for token in step.ids[ends[row] - count : ends[row]].tolist():
                state = advance(state, token) if token != POISON else float("nan")
            memory.states[targets[row]] = state
            answers[ends[row] - 1] = state
        for index, position in enumerate(step.rows.tolist()):
            state = answers[position]
            if state == state:
                logits[index, _said(state)] = 30.0
            else:
                logits[index] = torch.nan
        return logits


def make_recurrent(model: RecurrentModel | None = None, **settings: Any) -> Engine:
    """An engine around it, small unless ``settings`` (of EngineConfig) say otherwise. States start as NaN."""
    model = model or RecurrentModel()
    sizes = {"num_blocks": 64, "num_states": 24, "context_length": 256, "vocab_size": VOCAB, "block_size": 8}
    config = EngineConfig(**{**sizes, "max_batched_tokens": 64, "max_seqs": 8, **settings})
    runner = ModelRunner(model, model.caches, OPS, VOCAB, CPU, torch.float32)
    engine = Engine(runner, None, config)
    assert runner.cache is not None
    runner.cache.layers[0].states.fill_(float("nan"))  # type: ignore[union-attr]
    return engine
