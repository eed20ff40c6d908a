"""What is to be measured, and what that takes of the engine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from mistralrs.errors import UsageError

# The ids of the prompts: past the special tokens and single bytes of most vocabularies, and the same few in each.
FIRST_ID, IDS = 1000, 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the report: ``concurrency`` prompts of ``prompt`` tokens, each continued by ``new`` tokens.

    Without new tokens the prompt is timed, else the decoding.
    """

    prompt: int
    new: int
    depth: int
    concurrency: int

    @property
    def name(self) -> str:
        """The name other benchmarks use: ``pp512`` or ``tg128``."""
        return f"tg{self.new}" if self.new else f"pp{self.prompt}"

    def lead(self, batched_tokens: int) -> int:
        """How far the first sequence can be ahead, in tokens, when the last one has read its prompt."""
        return self.concurrency * self.prompt // max(1, batched_tokens - self.concurrency) + 2

    def tokens(self, batched_tokens: int) -> int:
        """The most tokens one sequence gets to."""
        if self.concurrency == 1 or not self.new:
            return self.prompt + self.new + 1
        return self.prompt + self.new + 1 + self.lead(batched_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which cases, and how often each runs."""

    prompt_lengths: tuple[int, ...]
    new_tokens: int
    depths: tuple[int, ...]
    concurrencies: tuple[int, ...]
    iterations: int
    warmup: int

    def cases(self) -> Iterator[Case]:
        """Every case: prompts first, then decoding by depth."""
        for concurrency in self.concurrencies:
            for length in self.prompt_lengths:
                yield Case(prompt=length, new=0, depth=0, concurrency=concurrency)
            if self.new_tokens:
                for depth in self.depths:
                    yield Case(prompt=max(1, depth), new=self.new_tokens, depth=depth, concurrency=concurrency)

    def check(self, context_length: int, batched_tokens: int) -> None:
        """Raise :class:`UsageError` when a case does not fit into the model's context."""
        for case in self.cases():
            if case.tokens(batched_tokens) > context_length:
                raise UsageError(
                    f"{case.name} with {case.depth} tokens before it needs a context of "
                    f"{case.tokens(batched_tokens)} tokens, the model has {context_length}",
                    "choose smaller lengths: --prompt-len, --depth, --gen-len",
                )


class Prompts:
    """Prompts of random ids, no two alike, and the same in every run."""

    def __init__(self, vocab_size: int) -> None:
        self._random = random.Random(0)
        self._first = min(FIRST_ID, vocab_size // 2)
        self._end = min(FIRST_ID + IDS, vocab_size)

    def make(self, length: int) -> tuple[int, ...]:
        """One prompt."""
        return tuple(self._random.choices(range(self._first, self._end), k=length))
