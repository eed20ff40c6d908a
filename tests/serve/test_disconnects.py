"""A client that goes away frees its blocks within one step, counted in the engine's own steps."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from tests.serve.running import scripted

HEAD = (
    b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)

BLOCK = 8
"""Tokens of a block in the scripted engine."""
STEPS = 12


@pytest.mark.slow
@pytest.mark.parametrize("state", ["answered", "in its prompt"])
def test_one_step_after_a_client_has_gone_its_blocks_are_free(tmp_path: Path, state: str) -> None:
    """Steps take 0.4 s each, because of a client beside it that stays: news of the other travel in a fraction of that.

    One step may have begun in the moment in which the client goes.
    """
    steps = tmp_path / "steps.txt"
    budget = 4096 if state == "answered" else 32
    with scripted({"steps": str(steps), "prefix_cache": False, "max_batched_tokens": budget}) as server:
        server.wait_ready()
        staying = server.stream({"prompt": "`", "max_tokens": STEPS}, "/v1/completions")
        events = staying.events()
        next(events)
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as leaving:
            body = json.dumps({"prompt": "x" * 200, "max_tokens": 50, "n": 2, "stream": True}).encode()
            leaving.sendall(HEAD % len(body) + body)
            if state == "answered":
                while b"text" not in leaving.recv(1 << 16):
                    pass
            else:
                time.sleep(0.9)
        gone = time.monotonic()
        assert sum(1 for _ in events)
        noted = [(float(began), int(held)) for began, held in (line.split() for line in steps.read_text().splitlines())]
    before = [held for began, held in noted if began < gone]
    after = [held for began, held in noted if began > gone]
    mine = -(-(STEPS + 2) // BLOCK)
    assert max(before) > 2 * mine  # the one that left held most
    assert len(after) > 2
    assert all(held <= mine for held in after[1:])
