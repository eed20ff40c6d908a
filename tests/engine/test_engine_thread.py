"""The engine behind its queue: callbacks, aborts, failures and the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scripted import ScriptedModel, Slow, collect, expected, generate, make_engine, random_prompt

from mistralrs import faults
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import Abort, EngineOutput, Finished, FinishReason, Generate
from mistralrs.engine.thread import EngineThread
from mistralrs.errors import EngineError, RequestError
from tests.waiting import PATIENCE, wait_until


class Inbox:
    """Collects output; ``done`` is set with the first Finished."""

    def __init__(self) -> None:
        self.outputs: list[EngineOutput] = []
        self.done = threading.Event()
        self.first = threading.Event()

    def __call__(self, output: EngineOutput) -> None:
        self.outputs.append(output)
        self.first.set()
        if isinstance(output, Finished):
            self.done.set()

    def wait(self) -> Any:
        assert self.done.wait(PATIENCE), "no Finished came"
        (answer,) = collect(self.outputs).values()
        return answer


Start = Callable[..., EngineThread]


@pytest.fixture
def start() -> Iterator[Start]:
    threads: list[EngineThread] = []

    def starter(engine: Engine | None = None) -> EngineThread:
        threads.append(EngineThread(engine or make_engine()).start())
        return threads[-1]

    yield starter
    faults.install("")
    for thread in threads:
        assert thread.close(PATIENCE)


def submit(thread: EngineThread, request: Generate) -> Inbox:
    inbox = Inbox()
    thread.submit(request, inbox)
    return inbox


def slow(past: tuple[int, ...]) -> Slow:
    return Slow(0.03, 7)


def test_many_threads_submit_at_once(start: Start) -> None:
    thread = start()
    inboxes: dict[int, Inbox] = {}
    prompts = {n: random_prompt(n, 1 + n % 30) for n in range(40)}

    def send(numbers: range) -> None:
        for number in numbers:
            inboxes[number] = submit(thread, generate(number, prompts[number]))

    senders = [threading.Thread(target=send, args=(range(n, 40, 4),)) for n in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    for number, inbox in inboxes.items():
        assert inbox.wait().tokens == expected(prompts[number], 8)
    assert thread.stats.generated_tokens == 40 * 8


def test_a_bad_request_is_told_so(start: Start) -> None:
    thread = start()
    answer = submit(thread, generate(1, [])).wait()
    assert answer.reason == "error"
    assert isinstance(answer.finished.error, RequestError)
    assert submit(thread, generate(1, [5])).wait().tokens == expected([5], 8)


def test_abort_of_a_running_request(start: Start) -> None:
    thread = start(make_engine(ScriptedModel(slow)))
    inbox = submit(thread, generate(1, [5], max_tokens=200))
    assert inbox.first.wait(PATIENCE)
    thread.submit(Abort(1))
    thread.submit(Abort(1))
    assert inbox.wait().reason == "canceled"


def test_close_cancels_what_runs_and_waits(start: Start) -> None:
    thread = start(make_engine(ScriptedModel(slow), max_seqs=1))
    inboxes = [submit(thread, generate(n, [n + 1], max_tokens=200)) for n in range(3)]
    assert inboxes[0].first.wait(PATIENCE)
    assert thread.close(PATIENCE)
    assert not thread.is_alive
    assert [inbox.wait().reason for inbox in inboxes] == ["canceled"] * 3
    late = submit(thread, generate(9, [1])).wait()
    assert late.reason == "error"
    assert late.finished.error.code == "engine_stopped"
    assert thread.close(PATIENCE)


def test_a_thread_that_was_never_started_can_be_closed() -> None:
    thread = EngineThread(make_engine())
    inbox = submit(thread, generate(1, [5]))
    assert thread.close()
    assert inbox.wait().finished.error.code == "engine_stopped"


def test_a_receiver_that_is_gone_ends_its_request_only(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    thread = start(make_engine(ScriptedModel(slow)))

    def gone(output: EngineOutput) -> None:
        raise BrokenPipeError

    with caplog.at_level(logging.CRITICAL):
        thread.submit(generate(1, [5], max_tokens=200), gone)
        other = submit(thread, generate(2, [6], max_tokens=20)).wait()
        assert other.tokens == (7,) * 20
        wait_until(lambda: thread.stats.running == 0)
    assert thread.stats.generated_tokens < 100


def test_a_failing_step_ends_all_once_and_the_loop_goes_on(start: Start) -> None:
    engine = make_engine(ScriptedModel(slow))
    thread = start(engine)
    inboxes = [submit(thread, generate(n, [n + 1], max_tokens=200)) for n in range(3)]
    assert all(inbox.first.wait(PATIENCE) for inbox in inboxes)
    schedule = engine.scheduler.schedule

    def broken() -> Any:
        engine.scheduler.schedule = schedule  # type: ignore[method-assign]
        engine.scheduler.pool.take_surely()
        raise ZeroDivisionError

    engine.scheduler.schedule = broken  # type: ignore[method-assign]
    for inbox in inboxes:
        answer = inbox.wait()
        assert answer.reason == "error"
        assert isinstance(answer.finished.error, EngineError)
    assert submit(thread, generate(9, [5], max_tokens=2)).wait().tokens == (7, 7)
    engine.check_idle()


def test_a_leak_does_not_cost_anybody_the_answer(start: Start) -> None:
    engine = make_engine()
    engine.scheduler.pool.take_surely()
    thread = start(engine)
    assert submit(thread, generate(1, [5])).wait().tokens == expected([5], 8)
    assert submit(thread, generate(2, [5])).wait().tokens == expected([5], 8)
    engine.check_idle()


def test_the_end_of_the_thread_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(ScriptedModel(slow))
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    thread = start(engine)
    inbox = submit(thread, generate(1, [5], max_tokens=200))
    assert inbox.first.wait(PATIENCE)

    def die() -> Any:
        raise SystemExit

    engine.scheduler.schedule = die  # type: ignore[method-assign]
    answer = inbox.wait()
    assert answer.finished.reason is FinishReason.ERROR
    assert answer.finished.error.code == "engine_stopped"
    wait_until(lambda: not thread.is_alive)


def test_what_is_aborted_during_a_step_holds_nothing_in_the_next(start: Start) -> None:
    inside, goes_on = threading.Event(), threading.Event()
    held: list[int] = []

    def reply(past: tuple[int, ...]) -> int:
        if len(past) == 43:  # the third token of the one that is aborted
            inside.set()
            assert goes_on.wait(PATIENCE)
        return 5

    engine = make_engine(ScriptedModel(reply), prefix_cache=False)
    step = engine.step

    def noted() -> list[EngineOutput]:
        held.append(engine.scheduler.pool.used)
        return step()

    engine.step = noted  # type: ignore[method-assign]
    thread = start(engine)
    staying = submit(thread, generate(1, [1], max_tokens=200))
    leaving = submit(thread, generate(2, [2] * 40, max_tokens=200))
    assert inside.wait(PATIENCE)
    steps = len(held)
    assert held[-1] > 5
    thread.submit(Abort(2))
    goes_on.set()
    assert leaving.wait().finished.reason is FinishReason.ABORT
    assert staying.wait().finished.reason is FinishReason.LENGTH
    assert held[steps] <= 3  # of eight tokens each, for the one that stays
