"""One measurement: some prompts at once through the engine, and when each of their tokens arrived."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mistralrs.errors import EngineError

if TYPE_CHECKING:
    from mistralrs.api.engine import EngineOutput, Finished, SamplingParams


class Engine(Protocol):
    """What is measured: :class:`mistralrs.api.engine.LocalEngine`."""

    def generate(
        self, prompt: Sequence[int], sampling: SamplingParams, deliver: Callable[[EngineOutput], None]
    ) -> Callable[[], None]:
        """Continue token ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Tokens a second over all sequences. ``latency`` is seconds: to the first token, or from one to the next."""

    tokens_per_second: float
    latency: float


def time_prompts(engine: Engine, prompts: Sequence[Sequence[int]]) -> Speed:
    """Read all prompts at once, until the last one has its first token."""
    run = _Run(engine, prompts, new=0, most=1)
    firsts = [stamps[0] - run.started for stamps in run.stamps]
    tokens = sum(len(prompt) for prompt in prompts)
    return Speed(tokens_per_second=tokens / max(firsts), latency=sum(firsts) / len(firsts))


def time_decoding(engine: Engine, prompts: Sequence[Sequence[int]], new: int, lead: int) -> Speed:
    """Let every sequence make ``new`` tokens while all of them run.

    The clock starts when the last one has its first token; those before it may be ``lead`` tokens ahead.
    """
    run = _Run(engine, prompts, new=new, most=new + 1 + (lead if len(prompts) > 1 else 0))
    begin = max(stamps[0] for stamps in run.stamps)
    counted = [stamp for stamps in run.stamps for stamp in stamps if stamp > begin]
    seconds = max(counted) - begin
    return Speed(tokens_per_second=len(counted) / seconds, latency=seconds * len(prompts) / len(counted))


class _Run:
    """Runs at construction. ``stamps`` are the times of arrival of each sequence's tokens, until all have enough.

    They are counted on the engine's thread, so that the one that waits does not take turns with it.
    """

    def __init__(self, engine: Engine, prompts: Sequence[Sequence[int]], new: int, most: int) -> None:
        from mistralrs.api.engine import SamplingParams

        self.stamps: list[list[float]] = [[] for _ in prompts]
        self._missing = [new] * len(prompts)
        self._unstarted = self._unfinished = len(prompts)
        self._unready = len(prompts) if new else 0
        self._errors: list[Exception] = []
        self._enough, self._ended = threading.Event(), threading.Event()
        sampling = SamplingParams(temperature=0.0, max_tokens=most, ignore_eos=True)
        self.started = time.perf_counter()
        cancels = [engine.generate(prompt, sampling, self._receiver(i)) for i, prompt in enumerate(prompts)]
        self._enough.wait()
        for cancel in cancels:
            cancel()
        self._ended.wait()
        if self._errors:
            raise self._errors[0]
        if self._unstarted or self._unready:
            raise EngineError(
                "a sequence ended before all of them had the tokens to be timed",
                "the cache may be too small: --pa-context-len",
            )

    def _receiver(self, index: int) -> Callable[[EngineOutput], None]:
        from mistralrs.api.engine import Finished, Tokens

        def receive(output: EngineOutput) -> None:
            if isinstance(output, Finished):
                self._finish(output)
            elif isinstance(output, Tokens) and output.tokens:
                self._count(index, time.perf_counter())

        return receive

    def _count(self, index: int, now: float) -> None:
        if self._enough.is_set():
            return
        if not self.stamps[index]:
            self._unstarted -= 1
        elif not self._unstarted and self._missing[index]:
            self._missing[index] -= 1
            self._unready -= not self._missing[index]
        self.stamps[index].append(now)
        if not self._unstarted and not self._unready:
            self._enough.set()

    def _finish(self, output: Finished) -> None:
        self._unfinished -= 1
        if output.error is not None:
            self._errors.append(output.error)
            self._enough.set()
        if not self._unfinished:
            self._enough.set()
            self._ended.set()
