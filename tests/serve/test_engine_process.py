"""The engine's process by itself: every request has one end, whatever happens to the process."""

from __future__ import annotations

import asyncio
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mistralrs.api.process import EngineProcess, EngineState
from mistralrs.engine.request import Abort, EngineOutput, Finished, FinishReason, Generate, SamplingParams, Tokens
from mistralrs.errors import ModelFormatError
from tests.serve.running import ROOT
from tests.serve.scripted_text import MARK_IDS, SLOW, recipe
from tests.waiting import PATIENCE, assert_within, wait_until

ENDLESS = 200_000
"""Letters that take an hour."""


class Caller:
    """Collects what comes back to one request."""

    def __init__(self) -> None:
        self.outputs: list[EngineOutput] = []
        self.begun, self.ended = threading.Event(), threading.Event()

    def __call__(self, output: EngineOutput) -> None:
        self.outputs.append(output)
        self.begun.set()
        if isinstance(output, Finished):
            self.ended.set()

    @property
    def end(self) -> Finished:
        assert self.ended.wait(PATIENCE)
        assert [isinstance(output, Finished) for output in self.outputs].count(True) == 1
        assert isinstance(self.outputs[-1], Finished)
        return self.outputs[-1]


def generate(number: int, count: int = 5, *, slow: bool = False) -> Generate:
    prompt = (MARK_IDS[SLOW],) if slow else (1,)
    return Generate(id=number, prompt=prompt, sampling=SamplingParams(max_tokens=count))


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs on another thread."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


@pytest.fixture(params=["thread", "loop"])
def start(request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop) -> Any:
    """Starts processes that are read by a thread of their own, or by a loop."""
    started: list[EngineProcess] = []

    def make(settings: dict[str, Any] | None = None) -> EngineProcess:
        reader: dict[str, Any] = {"post": loop.call_soon_threadsafe, "loop": loop} if request.param == "loop" else {}
        started.append(EngineProcess(recipe(settings or {}, light=True), **reader).start())
        return started[-1]

    yield make
    for process in started:
        process.close()


def test_requests_are_answered_in_order_and_can_be_stopped(start: Callable[..., EngineProcess], tmp_path: Path) -> None:
    process = start({"loads_when": str(tmp_path / "loadable")})
    early = Caller()
    process.submit(generate(0), early)
    assert "being loaded" in str(early.end.error)
    (tmp_path / "loadable").touch()
    wait_until(lambda: process.state is EngineState.READY)
    caller, stopped = Caller(), Caller()
    process.submit(generate(1), caller)
    process.submit(generate(2, ENDLESS, slow=True), stopped)
    assert caller.end.reason is FinishReason.LENGTH
    assert "".join(output.text for output in caller.outputs if isinstance(output, Tokens)) == "abcde"
    assert stopped.begun.wait(PATIENCE)
    process.submit(Abort(2))
    assert stopped.end.reason is FinishReason.ABORT


def test_closing_ends_what_runs_as_canceled(start: Callable[..., EngineProcess]) -> None:
    process = start()
    wait_until(lambda: process.state is EngineState.READY)
    caller = Caller()
    process.submit(generate(1, ENDLESS, slow=True), caller)
    assert caller.begun.wait(PATIENCE)
    assert process.close(PATIENCE)
    assert caller.end.reason is FinishReason.ABORT
    assert process.state is EngineState.CLOSED
    late = Caller()
    process.submit(generate(2), late)
    assert "has stopped" in str(late.end.error)


def test_a_death_ends_what_ran_with_an_error_and_is_repaired(start: Callable[..., EngineProcess]) -> None:
    process = start()
    wait_until(lambda: process.state is EngineState.READY)
    callers = [Caller() for _ in range(5)]
    for number, caller in enumerate(callers):
        process.submit(generate(number, ENDLESS, slow=True), caller)
    assert all(caller.begun.wait(PATIENCE) for caller in callers)
    assert process._child is not None
    process._child.kill()
    for caller in callers:
        assert caller.end.reason is FinishReason.ERROR
    wait_until(lambda: process.restarts == 1 and process.state is EngineState.READY)
    again = Caller()
    process.submit(generate(9), again)
    assert again.end.reason is FinishReason.LENGTH


def test_a_model_that_cannot_be_loaded_is_not_tried_again(start: Callable[..., EngineProcess]) -> None:
    process = start({"fails": True})
    wait_until(lambda: process.state is EngineState.FAILED)
    assert isinstance(process.failure, ModelFormatError)
    assert process.restarts == 0


def test_closing_does_not_wait_for_a_load(start: Callable[..., EngineProcess], tmp_path: Path) -> None:
    def closed() -> float:
        process = start({"loads_when": str(tmp_path / "never")})
        wait_until(lambda: process._child is not None)
        started = time.monotonic()
        process.close()
        return time.monotonic() - started

    assert_within(3.0, closed)


OWNER = """
import sys
from mistralrs.api.process import EngineProcess
from tests.serve.scripted_text import recipe
from tests.waiting import wait_until
process = EngineProcess(recipe({"loads_when": sys.argv[1]}, light=True)).start()
wait_until(lambda: process.pid is not None)
print(process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(select, "poll"), reason="hang-ups are told by poll(2)")
def test_a_load_ends_with_its_owner(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "never")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as owner:
        assert owner.stdout is not None
        wait_until((tmp_path / "never.awaited").exists)
        worker = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    psutil.wait_procs([worker], timeout=PATIENCE)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE  # where nobody buries orphans


def test_a_loop_that_has_ended_does_not_keep_the_process(loop: asyncio.AbstractEventLoop) -> None:
    process = EngineProcess(recipe({}, light=True), post=loop.call_soon_threadsafe, loop=loop).start()
    wait_until(lambda: process.state is EngineState.READY)
    loop.call_soon_threadsafe(loop.stop)
    assert process.close(PATIENCE)
    assert process.pid is None
