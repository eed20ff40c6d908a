"""A model whose answers are written down, and which shows whether the cache was used correctly.

It keeps each token's id as its key and reads the whole past of a sequence back from the cache, through slots and
block tables. An answer is a function of that past: any mistake in blocks, positions, sharing or preemption changes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import EngineOutput, Finished, Generate, SamplingParams, Tokens
from mistralrs.engine.runner import ModelRunner
from mistralrs.ops import Ops, OpTable, PagedSpec, StepContext
from mistralrs.testing.paged import reference_backend

VOCAB = 272
POISON = VOCAB - 1
"""Neither in a random prompt nor in a hashed answer."""
CPU = torch.device("cpu")
OPS = Ops(OpTable([reference_backend()]))
"""For the choice of tokens."""


@dataclass(frozen=True)
class Row:
    """Logits in full instead of one certain token."""

    logits: tuple[float, ...]


@dataclass(frozen=True)
class Slow:
    """Wait, then answer ``token``."""

    seconds: float
    token: int


NAN = Row((float("nan"),) * VOCAB)
Move = int | Row | Slow | Exception
Reply = Callable[[tuple[int, ...]], Move]


def hashed(past: tuple[int, ...]) -> int:
    """A token that depends on every token before it; never 0, so 0 can be the end of sequence."""
    return 1 + int.from_bytes(sha256(repr(past).encode()).digest()[:4]) % (POISON - 1)


def scripted(answers: Mapping[tuple[int, ...], Sequence[Move]], default: Reply = hashed) -> Reply:
    """After a prompt that is a key of ``answers``, the moves written there; then and otherwise ``default``."""

    def reply(past: tuple[int, ...]) -> Move:
        for prompt, moves in answers.items():
            index = len(past) - len(prompt)
            if past[: len(prompt)] == prompt and index < len(moves):
                return moves[index]
        return default(past)

    return reply


class ScriptedModel:
    """``module(step)`` for :class:`ModelRunner`. With ``poisoned``, a batch that holds POISON raises."""

    caches = (PagedSpec(kv_heads=1, head_dim=1),)

    def __init__(self, reply: Reply = hashed, *, poisoned: bool = False) -> None:
        self.reply = reply
        self.poisoned = poisoned
        self.batches: list[list[int]] = []

    def __call__(self, step: StepContext) -> Tensor:
        self.batches.append(list(step.meta.queries))
        if self.poisoned and POISON in step.ids:
            raise RuntimeError("poisoned at 0xdeadbeef")
        memory = step.caches[0].k
        memory.view(-1)[step.meta.slots] = step.ids.to(memory.dtype)
        logits = torch.full((len(step.rows), VOCAB), -30.0)
        ends = step.meta.query_start[1:].tolist()
        for index, row in enumerate(step.rows.tolist()):
            sequence = ends.index(row + 1)
            length = step.meta.contexts[sequence]
            assert int(step.positions[row]) == length - 1
            past = memory[step.meta.blocks[sequence]].flatten()[:length].long().tolist()
            self._write(logits[index], self.reply(tuple(past)))
        return logits

    def _write(self, logits: Tensor, move: Move) -> None:
        if isinstance(move, Exception):
            raise move
        if isinstance(move, Row):
            logits.copy_(torch.tensor(move.logits))
            return
        if isinstance(move, Slow):
            time.sleep(move.seconds)
            move = move.token
        logits[move] = 30.0


def make_engine(model: ScriptedModel | None = None, tokenizer: Tokenizer | None = None, **settings: Any) -> Engine:
    """An engine around a scripted model, small unless ``settings`` (of EngineConfig) say otherwise."""
    model = model or ScriptedModel()
    sizes = {"num_blocks": 64, "context_length": 256, "vocab_size": VOCAB, "block_size": 8, "max_batched_tokens": 64}
    config = EngineConfig(**{**sizes, **settings})
    runner = ModelRunner(model, model.caches, OPS, VOCAB, CPU, torch.float32)
    return Engine(runner, tokenizer, config)


def generate(request_id: int, prompt: Sequence[int], **sampling: Any) -> Generate:
    """A greedy request of at most 8 tokens, unless ``sampling`` says otherwise."""
    return Generate(
        id=request_id,
        prompt=tuple(prompt),
        sampling=SamplingParams(**{"temperature": 0.0, "max_tokens": 8, **sampling}),
    )


@dataclass
class Answer:
    """All output of one request."""

    tokens: tuple[int, ...]
    text: str
    finished: Finished

    @property
    def reason(self) -> str:
        return self.finished.reason.value


def collect(outputs: Sequence[EngineOutput]) -> dict[int, Answer]:
    """Answers by request; fails if one has not exactly one Finished, at its end."""
    answers: dict[int, Answer] = {}
    for request_id in dict.fromkeys(output.id for output in outputs):
        *parts, last = [output for output in outputs if output.id == request_id]
        assert isinstance(last, Finished)
        assert all(isinstance(part, Tokens) for part in parts), "output after Finished, or two of them"
        tokens = tuple(token for part in parts if isinstance(part, Tokens) for token in part.tokens)
        text = "".join(part.text for part in parts if isinstance(part, Tokens))
        answers[request_id] = Answer(tokens, text, last)
    return answers


def run(engine: Engine, *requests: Generate, limit: int = 2000) -> dict[int, Answer]:
    """Add the requests, step until nothing is left, check that the pool is whole again."""
    for request in requests:
        engine.add(request)
    outputs: list[EngineOutput] = []
    for _ in range(limit):
        if not engine.has_work:
            break
        outputs += engine.step()
    assert not engine.has_work, "the engine does not come to an end"
    engine.check_idle()
    return collect(outputs)


def expected(prompt: Sequence[int], count: int) -> tuple[int, ...]:
    """What :func:`hashed` answers to a prompt, computed without an engine."""
    past = tuple(prompt)
    for _ in range(count):
        past += (hashed(past),)
    return past[len(prompt) :]


def random_prompt(seed: int, length: int) -> tuple[int, ...]:
    """A prompt without 0 and without poison."""
    return tuple(np.random.default_rng(seed).integers(1, POISON, length).tolist())
