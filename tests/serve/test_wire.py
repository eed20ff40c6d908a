"""Bytes that no decent client sends, and clients that are slow, endless or gone."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.led_steps import Leader
from tests.serve.running import RunningServer, chat_body, read_all, scripted
from tests.waiting import PATIENCE, assert_within, wait_until

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
KEY = "k-wire"
DEADLINE = 0.6


@pytest.fixture(scope="module")
def tight() -> Iterator[RunningServer]:
    """A server with small limits: 100 kB bodies, 4 KiB heads, two answers at a time and two that wait."""
    limits = {"max_body_mb": 0.1, "max_header_kb": 4, "max_queue": 2}
    with scripted({"max_seqs": 2}, **limits) as server:
        yield server.wait_ready()
        server.wait_idle()


@pytest.fixture(scope="module")
def hasty() -> Iterator[RunningServer]:
    """A server that gives little time for heads."""
    with scripted(light=True, header_timeout=DEADLINE) as server:
        yield server


@pytest.fixture(scope="module")
def hasty_with_bodies() -> Iterator[RunningServer]:
    """A server that gives little time for bodies."""
    with scripted(light=True, body_timeout=DEADLINE) as server:
        yield server.wait_ready()


def status(answer: bytes) -> int:
    """The status of the first response, whose body must be ours."""
    head, _, body = answer.partition(b"\r\n\r\n")
    found = int(head.split(b" ", 2)[1])
    if found >= 400:
        assert json.loads(body)["error"]["message"]
    return found


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 403),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nbad header: x\r\n\r\n", 400),
        (HEAD + b"content-length: +5\r\n\r\n{}   ", 400),
        (HEAD + b"content-length: 0x5\r\n\r\n{}   ", 400),
        (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ", 400),
        (HEAD + b"transfer-encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 3000 + b"\r\n", 431),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", 431),
        (HEAD + b"content-length: 9999999999\r\n\r\n{", 413),
        (HEAD + b"content-length: " + b"9" * 19 + b"\r\n\r\n{", 413),
        (HEAD + b"expect: 100-continue\r\ncontent-length: 9999999\r\n\r\n", 413),
    ],
    ids=range(16),
)
def test_what_is_not_http_or_too_large_is_refused(tight: RunningServer, sent: bytes, expected: int) -> None:
    assert status(tight.raw(sent)) == expected


@pytest.mark.parametrize("chunk", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n", b"-1\r\n\r\n"])
def test_broken_chunks_end_the_connection(tight: RunningServer, chunk: bytes) -> None:
    answer = tight.raw(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk)
    assert not answer or status(answer) == 400


def test_a_chunked_body_is_cut_at_the_limit(tight: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", tight.port), timeout=PATIENCE) as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        piece = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        for _ in range(12):
            connection.sendall(piece)
        assert status(read_all(connection)) == 413


def test_a_large_body_gets_its_answer_though_it_is_not_read(tight: RunningServer) -> None:
    reply = tight.chat("x" * 200_000)
    assert reply.status == 413
    assert str(int(0.1 * 2**20)) in reply.error["message"]


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD])
def test_a_slow_head_is_cut_off(hasty: RunningServer, sent: bytes) -> None:
    def cut_off() -> float:
        in_time = False
        while not in_time:
            started = time.monotonic()
            with socket.create_connection(("127.0.0.1", hasty.port), timeout=PATIENCE) as connection:
                connection.sendall(sent)
                in_time = time.monotonic() - started < DEADLINE / 2  # or this process was stopped
                answer = read_all(connection)
        taken = time.monotonic() - started
        assert taken > DEADLINE * 0.8
        assert status(answer) == 408 if sent else answer == b""
        return taken

    assert_within(DEADLINE + 2, cut_off)


BYTES = 400
"""Sent one by one in twenty seconds."""


def test_bytes_that_trickle_do_not_move_the_deadline(hasty: RunningServer, hasty_with_bodies: RunningServer) -> None:
    body = HEAD + b"content-length: 1000\r\n\r\n"
    for server, head in ((hasty, b"GET / HTTP/1.1\r\nx: "), (hasty_with_bodies, body)):
        with socket.create_connection(("127.0.0.1", server.port), timeout=0.05) as connection:
            connection.sendall(head)
            answer, sent = b"", 0
            while not answer:
                connection.sendall(b"a")
                sent += 1
                answer = read_all(connection)
                assert sent < BYTES
            connection.settimeout(PATIENCE)
            answer += read_all(connection)
        assert status(answer) == 408


def test_a_body_nobody_reads_is_cut_off_too(hasty_with_bodies: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", hasty_with_bodies.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.settimeout(0.05)
        sent = 0
        while _takes(connection, b"a"):
            sent += 1
            assert sent < BYTES


def _takes(connection: socket.socket, sent: bytes) -> bool:
    """Whether the other side has not closed."""
    try:
        connection.sendall(sent)
        return connection.recv(1000) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_many_slow_senders_do_not_keep_others_out(tight: RunningServer) -> None:
    slow = [socket.create_connection(("127.0.0.1", tight.port)) for _ in range(200)]
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\nx: ")

    def answered() -> float:
        started = time.monotonic()
        assert tight.chat("x").status == 200
        return time.monotonic() - started

    assert_within(2.0, answered)
    for connection in slow:
        connection.close()


def test_pipelined_requests_are_answered_in_order(server: RunningServer) -> None:
    one = b"GET /v1/models/%s HTTP/1.1\r\nhost: localhost\r\n%s\r\n"
    sent = b"".join(one % (name, b"") for name in [b"scripted", b"alias", b"default"] * 10)
    answer = server.raw(sent + one % (b"scripted", b"connection: close\r\n"))
    names = [json.loads(part)["id"] for part in answer.split(b"\r\n\r\n")[1:] for part in [part.partition(b"HTTP")[0]]]
    assert names == ["scripted", "alias", "default"] * 10 + ["scripted"]


LONG = "`"
"""A mark in a prompt: 0.4 s a token."""
SOON = 50.0
"""Seconds, in which no answer to LONG ends by itself."""


def pending(server: RunningServer, count: int) -> None:
    """Wait until so many answers are accepted and have not ended."""
    wait_until(lambda: server.metric("mistralrs_requests_pending_admission") == count)


@pytest.mark.slow
def test_a_client_that_leaves_frees_its_blocks(server: RunningServer) -> None:
    for body in (chat_body(LONG, max_tokens=200), chat_body(LONG, max_tokens=200, n=4)):
        stream = server.stream(body)
        events = stream.events()
        for _ in range(2):
            next(events)
        assert server.metric("mistralrs_requests_pending_admission") == body.get("n", 1)
        stream.drop()
        server.wait_idle(SOON)


def test_a_client_that_leaves_before_a_whole_answer_does_too(server: RunningServer) -> None:
    body = json.dumps(chat_body(LONG, max_tokens=200)).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        pending(server, 1)
    server.wait_idle(SOON)


def test_a_client_that_does_not_read_is_given_up() -> None:
    with scripted(light=True, send_timeout=0.3) as server, socket.socket() as connection:
        server.wait_ready()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.connect(("127.0.0.1", server.port))
        # More than any buffer on the way holds.
        body = json.dumps(chat_body("x", n=128, stream=True, max_tokens=1000)).encode()
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: server.metric("mistralrs_sequences_completed_total") == 128)
        assert server.metric('mistralrs_sequences_completed_total{model="scripted",reason="canceled"}') > 0
        server.wait_idle()
        assert server.chat("x").status == 200


def test_an_engine_that_hangs_is_not_ready(tmp_path: Path) -> None:
    leader = Leader(tmp_path)
    with scripted({"led_by": str(tmp_path)}, stall_timeout=DEADLINE) as server:
        server.wait_ready()
        waiting = threading.Thread(target=server.chat, args=("x",))
        waiting.start()
        wait_until(lambda: server.get("/health/ready").status == 503)
        assert server.get("/health/ready").json["reason"] == "the engine does not move"
        leader.let(8)
        waiting.join()
        server.wait_ready()


def test_a_client_that_leaves_the_queue_makes_room(tight: RunningServer) -> None:
    streams = [tight.stream(chat_body(LONG, max_tokens=200)) for _ in range(2)]
    body = json.dumps(chat_body("x", n=2, stream=True)).encode()
    with socket.create_connection(("127.0.0.1", tight.port)) as queued:
        queued.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        pending(tight, 4)
        assert tight.chat("x").status == 429
    wait_until(lambda: tight.metric("mistralrs_requests_pending_admission") == 2, SOON)
    for stream in streams:
        stream.drop()
    tight.wait_idle(SOON)


@pytest.mark.slow
def test_when_all_places_are_taken_others_are_told_at_once(tight: RunningServer) -> None:
    tight.wait_idle()
    streams = [tight.stream(chat_body(LONG, max_tokens=200)) for _ in range(2)]
    before = tight.metric("mistralrs_sequences_rejected_total")
    # Two run and two may wait.
    refused = tight.chat("x", n=3)
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.error["type"] == "rate_limit_error"
    assert "4" in refused.error["message"]
    for _ in range(20):
        assert tight.chat("x", n=3).status == 429
    replies: list[int] = []
    one = threading.Thread(target=lambda: replies.append(tight.post("/v1/messages", chat_body("x")).status))
    one.start()
    pending(tight, 3)  # one place is enough
    for stream in streams:
        stream.drop()
    one.join()
    assert replies == [200]
    tight.wait_idle()
    assert tight.chat("x", n=3).status == 200
    assert tight.metric("mistralrs_sequences_rejected_total") == before + 63
