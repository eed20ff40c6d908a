"""Token ids straight to the engine, as benchmarks send them."""

from __future__ import annotations

import threading

from mistralrs.api.engine import EngineOutput, Finished, SamplingParams, Tokens
from tests.api.fakes import ScriptedLoop, scripted_engine


class Received:
    """Everything that was delivered; ``ended`` is set by the last of it."""

    def __init__(self) -> None:
        self.outputs: list[EngineOutput] = []
        self.ended = threading.Event()

    def __call__(self, output: EngineOutput) -> None:
        self.outputs.append(output)
        if isinstance(output, Finished):
            self.ended.set()


def test_ids_go_to_the_engine_as_they_are() -> None:
    loop = ScriptedLoop()
    received, sampling = Received(), SamplingParams(temperature=0.0, max_tokens=2)
    with scripted_engine(loop) as engine:
        engine.generate(range(3, 6), sampling, received)
        assert received.ended.wait(100)
    assert loop.requests[0].prompt == (3, 4, 5)
    assert loop.requests[0].sampling is sampling
    assert [type(output) for output in received.outputs] == [Tokens, Tokens, Finished]


def test_what_is_returned_stops_it() -> None:
    received = Received()
    with scripted_engine(ScriptedLoop(pieces=["x"] * 1000, delay=0.01)) as engine:
        cancel = engine.generate([1], SamplingParams(), received)
        cancel()
        assert received.ended.wait(100)
    assert received.outputs[-1].reason == "canceled"  # type: ignore[union-attr]
    assert len(received.outputs) < 1000


def test_two_requests_at_a_time_are_told_apart() -> None:
    loop = ScriptedLoop()
    first, second = Received(), Received()
    with scripted_engine(loop) as engine:
        engine.generate([1], SamplingParams(), first)
        engine.generate([2], SamplingParams(), second)
        assert first.ended.wait(100)
        assert second.ended.wait(100)
    assert {output.id for output in first.outputs} != {output.id for output in second.outputs}
