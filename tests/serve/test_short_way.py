"""Pieces of a stream that go to the wire at once, and those that cannot: nothing is lost, doubled or out of order."""

from __future__ import annotations

import collections
import http.client
import json
import socket

import pytest

from tests.serve.running import RunningServer, chat_body, read_all, scripted
from tests.waiting import PATIENCE, wait_until

NEW = 1000
LETTERS = "".join(chr(ord("a") + position % 26) for position in range(NEW))
"""What the light engine answers."""


def request(version: str, body: dict[str, object], path: str = "/v1/chat/completions") -> bytes:
    content = json.dumps({**body, "stream": True}).encode()
    lines = [f"POST {path} HTTP/{version}", "host: localhost", "content-type: application/json"]
    head = "\r\n".join([*lines, f"content-length: {len(content)}", "connection: close", "", ""])
    return head.encode() + content


def texts(events: bytes) -> dict[int, str]:
    """The answers of a stream that ended as it should."""
    parts = events.decode().split("\n\n")
    assert parts[-2:] == ["data: [DONE]", ""]
    found: dict[int, str] = collections.defaultdict(str)
    for part in parts[:-2]:
        for choice in json.loads(part.removeprefix("data: "))["choices"]:
            found[choice["index"]] += choice["delta"].get("content", "")
    return dict(found)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_chunks_are_for_those_who_know_them(server: RunningServer, version: str) -> None:
    body = chat_body("golden", max_tokens=32, n=2)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(request(version, body))
        response = http.client.HTTPResponse(connection)
        response.begin()
        found = response.read()
    assert (response.getheader("transfer-encoding") == "chunked") == (version == "1.1")
    whole = server.chat("golden", max_tokens=32, n=2).json["choices"]
    assert texts(found) == {choice["index"]: choice["message"]["content"] for choice in whole}


@pytest.mark.slow
def test_a_client_that_reads_late_misses_nothing() -> None:
    """The answers have ended, and do not fit into what lies between, when it begins to read."""
    with scripted(light=True, send_timeout=PATIENCE) as server, socket.socket() as connection:
        server.wait_ready()
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(request("1.1", chat_body("x", n=16, max_tokens=NEW)))
        wait_until(lambda: server.metric("mistralrs_sequences_completed_total") == 16)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert texts(response.read()) == dict.fromkeys(range(16), LETTERS)
        assert read_all(connection) == b""
        server.wait_idle()
