"""The stopwatch of bench, on an engine that answers when it is told to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mistralrs.api.answer import FinishReason, Usage
from mistralrs.api.engine import EngineOutput, Finished, SamplingParams, Tokens
from mistralrs.errors import EngineError, RequestError
from mistralrs_plugins.frontends.bench.measure import time_decoding, time_prompts

USAGE = Usage(
    prompt_tokens=1, cached_tokens=0, completion_tokens=1, queue_seconds=0.0, prompt_seconds=0.0, completion_seconds=0.0
)


class SteppedEngine:
    """Runs when it has ``expected`` prompts: a prompt is read in each step, a step takes a second."""

    def __init__(self, expected: int, error: Exception | None = None, stop_after: int = 10**6) -> None:
        self.expected, self.error, self.stop_after = expected, error, stop_after
        self.now = 0.0
        self.asked: list[tuple[int, SamplingParams, Callable[[EngineOutput], None]]] = []
        self.cancelled: set[int] = set()

    def clock(self) -> float:
        return self.now

    def generate(
        self, prompt: Sequence[int], sampling: SamplingParams, deliver: Callable[[EngineOutput], None]
    ) -> Callable[[], None]:
        index = len(self.asked)
        self.asked.append((index, sampling, deliver))
        if len(self.asked) == self.expected:
            self._run()
        return lambda: self.cancelled.add(index)

    def _run(self) -> None:
        made = dict.fromkeys(range(self.expected), 0)
        for step in itertools.count(1):
            self.now += 1.0
            for index, sampling, deliver in self.asked[:step]:
                if index not in made:
                    continue
                if self.error is not None:
                    deliver(Finished(id=index, reason=FinishReason.ERROR, usage=USAGE, error=self.error))
                    made.pop(index)
                    continue
                made[index] += 1
                deliver(Tokens(id=index, tokens=(7,), text=""))
                if made[index] >= min(sampling.max_tokens or 0, self.stop_after):
                    deliver(Finished(id=index, reason=FinishReason.LENGTH, usage=USAGE))
                    made.pop(index)
            if not made:
                return


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SteppedEngine]:
    def make(expected: int, **settings: Any) -> SteppedEngine:
        engine = SteppedEngine(expected, **settings)
        monkeypatch.setattr("mistralrs_plugins.frontends.bench.measure.time.perf_counter", engine.clock)
        return engine

    return make


def test_a_prompt_is_timed_to_its_first_token(stepped: Callable[..., SteppedEngine]) -> None:
    speed = time_prompts(stepped(1), [[1] * 50])
    assert (speed.tokens_per_second, speed.latency) == (50.0, 1.0)


def test_prompts_are_timed_to_the_last_first_token(stepped: Callable[..., SteppedEngine]) -> None:
    speed = time_prompts(stepped(4), [[1] * 50] * 4)
    assert speed.tokens_per_second == 50.0
    assert speed.latency == (1 + 2 + 3 + 4) / 4


def test_decoding_is_timed_from_the_first_token_on(stepped: Callable[..., SteppedEngine]) -> None:
    engine = stepped(1)
    speed = time_decoding(engine, [[1] * 50], new=8, lead=5)
    assert (speed.tokens_per_second, speed.latency) == (1.0, 1.0)
    (_, sampling, _) = engine.asked[0]
    assert sampling.max_tokens == 9
    assert sampling.ignore_eos
    assert sampling.is_greedy


def test_only_the_time_in_which_all_run_counts(stepped: Callable[..., SteppedEngine]) -> None:
    engine = stepped(3)
    speed = time_decoding(engine, [[1] * 50] * 3, new=8, lead=3)
    assert speed.tokens_per_second == 3.0
    assert speed.latency == 1.0
    assert engine.cancelled == {0, 1, 2}


def test_the_engines_error_is_raised(stepped: Callable[..., SteppedEngine]) -> None:
    with pytest.raises(RequestError, match="too long"):
        time_prompts(stepped(1, error=RequestError("too long")), [[1]])


def test_an_answer_that_ends_early_is_no_measurement(stepped: Callable[..., SteppedEngine]) -> None:
    with pytest.raises(EngineError, match="ended before") as caught:
        time_decoding(stepped(1, stop_after=3), [[1]], new=8, lead=0)
    assert "--pa-context-len" in caught.value.hint
