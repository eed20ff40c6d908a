"""Engines that die, servers that are told to end, and clients that must not notice each other."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.serve.running import RunningServer, chat_body, scripted
from tests.waiting import PATIENCE, assert_within, wait_until

ENDLESS = 200_000
"""Letters that take an hour."""


def test_a_dead_engine_ends_its_answers_and_comes_back(tmp_path: Path) -> None:
    loadable = tmp_path / "loadable"
    loadable.touch()
    with scripted({"loads_when": str(loadable)}, light=True) as server:
        server.wait_ready()
        before = server.chat("golden").json["choices"][0]["message"]["content"]
        streams = [server.stream(chat_body("~", max_tokens=ENDLESS)).events() for _ in range(3)]
        for events in streams:
            for _ in range(3):
                next(events)
        replies: list[int] = []
        waiting = threading.Thread(target=lambda: replies.append(server.chat("~", max_tokens=ENDLESS).status))
        waiting.start()
        wait_until(lambda: server.metric("mistralrs_requests_pending_admission") == 4)
        loadable.unlink()
        server.worker().kill()
        for events in streams:
            *_, error, done = events
            assert done == "[DONE]"
            assert json.loads(error)["error"]["code"] == "engine_unavailable"
        waiting.join()
        assert replies == [503]
        refused = server.chat("x")
        assert (refused.status, refused.error["code"]) == (503, "unavailable")
        assert "retry-after" in refused.headers
        ready = server.get("/health/ready")
        assert (ready.status, ready.json["reason"]) == (503, "the model is being loaded")
        assert server.get("/health").body == b"OK"
        loadable.touch()
        server.wait_ready()
        assert server.chat("golden").json["choices"][0]["message"]["content"] == before
        server.wait_idle()
        server.signal()
        assert server.wait() == 0


def test_the_death_of_an_engine_is_told_at_once() -> None:
    with scripted(light=True) as server:

        def told() -> float:
            server.wait_ready()
            events = server.stream(chat_body("~", max_tokens=ENDLESS)).events()
            next(events)
            worker = server.worker()
            started = time.monotonic()
            worker.kill()
            assert list(events)[-1] == "[DONE]"
            return time.monotonic() - started

        assert_within(2.0, told)


def test_while_the_model_is_loaded_requests_are_told_so(tmp_path: Path) -> None:
    with scripted({"loads_when": str(tmp_path / "never")}, light=True) as server:
        refused = server.chat("x")
        assert refused.status == 503
        assert server.get("/v1/models").json["data"][0]["status"] == "reloading"
        server.signal()  # and it can be ended then
        assert server.wait() == 0


def test_a_model_that_cannot_be_loaded_ends_the_server() -> None:
    with scripted({"fails": True}, light=True) as server:
        assert server.wait() == 2
        assert "error: the scripted model is damaged" in server.log


def test_the_first_signal_lets_running_answers_end(tmp_path: Path) -> None:
    ending = tmp_path / "ending"
    ending.touch()
    with scripted({"ends_when": str(ending)}, light=True, drain_timeout=PATIENCE) as server:
        server.wait_ready()
        whole = server.chat("~drain", max_tokens=60).json["choices"][0]["message"]["content"]
        ending.unlink()
        family = psutil.Process(server.process.pid).children(recursive=True)
        stream = server.stream(chat_body("~drain", max_tokens=60))
        wait_until(lambda: server.metric("mistralrs_requests_pending_admission") == 1)
        server.signal()
        server.wait_for("Shutting down")
        refused = server.chat("x")
        assert (refused.status, refused.error["message"]) == (503, "the server is shutting down")
        assert server.get("/health/ready").status == 503
        assert server.get("/health/live").status == 200
        ending.touch()
        assert stream.text() == whole
        assert server.wait() == 0
        _, alive = psutil.wait_procs(family, timeout=PATIENCE)
        assert not alive


def test_answers_that_take_too_long_are_cut_off_with_a_word() -> None:
    with scripted(light=True, drain_timeout=0.3) as server:
        server.wait_ready()
        events = server.stream(chat_body("~", max_tokens=ENDLESS)).events()
        next(events)
        server.signal(signal.SIGINT)
        *_, error, done = events
        assert done == "[DONE]"
        assert json.loads(error)["error"]["message"] == "the server is shutting down"
        assert server.wait() == 0


def test_the_second_signal_ends_at_once() -> None:
    def ended() -> float:
        with scripted(light=True) as server:
            server.wait_ready()
            family = psutil.Process(server.process.pid).children(recursive=True)
            events = server.stream(chat_body("~", max_tokens=ENDLESS)).events()
            next(events)
            server.signal()
            server.wait_for("Shutting down")
            started = time.monotonic()
            server.signal()
            assert server.wait() == 1
            taken = time.monotonic() - started
            _, alive = psutil.wait_procs(family, timeout=PATIENCE)
            assert not alive
            events.close()
        return taken

    assert_within(1.0, ended)


def test_a_request_may_have_a_limit_of_its_own() -> None:
    with scripted(light=True, request_timeout=0.4) as server:
        server.wait_ready()
        reply = server.chat("~", max_tokens=ENDLESS)
        assert (reply.status, reply.error["code"]) == (504, "request_timeout")
        while (stream := server.stream(chat_body("~", max_tokens=ENDLESS))).response.status == 504:
            stream.drop()  # there was no first letter in time
        *_, error, _done = stream.events()
        assert json.loads(error)["error"]["code"] == "request_timeout"
        server.wait_idle()
        server.process.kill()
        server.process.wait()


@pytest.mark.parametrize("seed", [1])
def test_nobody_notices_anybody_else(server: RunningServer, golden: str, seed: int) -> None:
    """32 clients at a time that ask, leave, fail and break things; one asks the same question over and over."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[random.Random], None], number: int) -> None:
        rng = random.Random(seed * 1000 + number)
        try:
            while not stop.is_set():
                work(rng)
        except BaseException as error:
            failures.append(error)
            stop.set()

    def trouble(rng: random.Random) -> None:
        _disturb(server, rng)

    def ask(_: random.Random) -> None:
        assert server.chat("golden", max_tokens=32).json["choices"][0]["message"]["content"] == golden

    works = [*[trouble] * 30, ask, ask]
    threads = [threading.Thread(target=guarded, args=(work, number)) for number, work in enumerate(works)]
    for thread in threads:
        thread.start()
    completed = server.metric("mistralrs_sequences_completed_total")
    stop.wait(3.0)  # and longer where the machine is slow
    wait_until(lambda: stop.is_set() or server.metric("mistralrs_sequences_completed_total") > completed + 100)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    server.wait_idle()


def _disturb(server: RunningServer, rng: random.Random) -> None:
    kind = rng.randrange(6)
    if kind == 0:
        stream = server.stream(chat_body("~" + "x" * rng.randrange(100), max_tokens=200, n=rng.choice([1, 4])))
        events = stream.events()
        for _ in range(rng.randrange(5)):
            next(events, None)
        stream.drop()
    elif kind == 1:
        assert server.chat("x", temperature=-1).status == 400
    elif kind == 2:
        assert server.chat(rng.choice("^|")).status == 500
    elif kind == 3:
        assert server.chat("x" * 1000).status == 400
    elif kind == 4:
        server.raw(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-le", seconds=0.01)
    else:
        assert server.chat("golde" + rng.choice("nm"), max_tokens=rng.randrange(1, 20)).status == 200
