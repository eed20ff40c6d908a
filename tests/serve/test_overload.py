"""More requests than places: refusals that cost no more than the smallest request, with a word on when to come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.serve.running import Reply, RunningServer, chat_body, scripted

PLACES = 4
"""Two answers are made at a time, and two may wait."""
REFUSED_WITHIN = 0.05
SOON = 50.0
"""Seconds, in which no long answer ends by itself."""
ROUNDS, TRIES = 20, 30
USER = {"role": "user", "content": "x"}
REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": chat_body("x"),
    "/v1/completions": {"prompt": "x"},
    "/v1/messages": {"messages": [USER], "max_tokens": 4},
    "/v1/responses": {"input": "x"},
}


@pytest.fixture(scope="module")
def small() -> Iterator[RunningServer]:
    with scripted({"max_seqs": 2}, max_queue=2) as server:
        yield server.wait_ready()


@pytest.fixture
def full(small: RunningServer) -> Iterator[RunningServer]:
    """A server all of whose places are taken, by answers that take minutes."""
    events = small.stream({"prompt": "`", "max_tokens": 250, "n": PLACES}, "/v1/completions").events()
    next(events)
    yield small
    events.close()
    small.wait_idle()
    assert small.chat("x").status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_says_why_and_when_to_come_back(full: RunningServer, stream: bool) -> None:
    for path, body in REQUESTS.items():
        reply = full.post(path, {**body, "stream": stream})
        assert reply.status == 429, path
        assert reply.headers["content-type"] == "application/json"
        assert int(reply.headers["retry-after"]) >= 1
        error = reply.json["error"]
        assert error["type"] == "rate_limit_error"
        assert f"the limit is {PLACES}" in error["message"]


def test_each_refusal_is_quick(full: RunningServer) -> None:
    """Within 50 ms beyond the slowest of the requests that cost nothing, which tell how busy this machine is."""

    def refused() -> None:
        reply = full.chat("x")
        assert (reply.status, int(reply.headers["retry-after"]) >= 1) == (429, True)

    for _ in range(TRIES):
        trivial, refusals = [], []
        for _ in range(ROUNDS):
            trivial.append(seconds(lambda: full.get("/health/live")))
            refusals.append(seconds(refused))
        if max(refusals) < REFUSED_WITHIN + max(trivial):
            return
    pytest.fail(f"refusals took up to {max(refusals):.3f} s, trivial requests up to {max(trivial):.3f} s")


def seconds(work: Callable[[], Reply | None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_a_storm_of_refusals_takes_no_memory(full: RunningServer) -> None:
    before = full.metric("mistralrs_model_memory_bytes")
    rejected = full.metric("mistralrs_sequences_rejected_total")
    for _ in range(300):
        assert full.post("/v1/completions", {"prompt": "x" * 10_000}).status == 429
    assert full.metric("mistralrs_sequences_rejected_total") == rejected + 300
    assert full.metric("mistralrs_requests_pending_admission") == PLACES
    assert full.metric("mistralrs_model_memory_bytes") - before < 16 << 20


def test_a_place_that_is_given_back_is_taken_again() -> None:
    with scripted({"max_seqs": 1}, max_queue=0) as server:
        server.wait_ready()
        for _ in range(3):
            events = server.stream({"prompt": "`", "max_tokens": 200}, "/v1/completions").events()
            next(events)
            assert server.chat("x").status == 429
            events.close()
            server.wait_idle(SOON)
            assert server.chat("x").status == 200
