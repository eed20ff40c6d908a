"""A client that goes away frees its blocks within one step, counted in the engine's own steps."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.serve.led_steps import Leader
from tests.serve.running import scripted

HEAD = (
    b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
)

BLOCK = 8
"""Tokens of a block in the scripted engine."""
STEPS = 12
PROMPT = 200


@pytest.mark.slow
@pytest.mark.parametrize("state", ["answered", "in its prompt"])
def test_one_step_after_a_client_has_gone_its_blocks_are_free(tmp_path: Path, state: str) -> None:
    """The client goes, and the engine hears of it, while a step is made for another one that stays.

    The news need no output of a step to travel on, and the very next step begins without the blocks.
    """
    leader = Leader(tmp_path)
    budget = 4096 if state == "answered" else 32
    with scripted({"led_by": str(tmp_path), "prefix_cache": False, "max_batched_tokens": budget}) as server:
        server.wait_ready()
        leader.let(1)
        staying = server.stream({"prompt": "x", "max_tokens": STEPS}, "/v1/completions")
        events = staying.events()
        next(events)
        leader.wait_step()
        mine = -(-(STEPS + 2) // BLOCK)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as leaving:
            body = json.dumps({"prompt": "x" * PROMPT, "max_tokens": 50, "n": 2, "stream": True}).encode()
            leaving.sendall(HEAD % len(body) + body)
            leader.wait_message("Generate", 3)
            for _ in range(2):  # the step that began before it came, and the first with it
                leader.let(1)
                leader.wait_step()
            before = leader.steps
            assert before[-1].in_prompt == (0 if state == "answered" else 2)
            if state == "answered":
                while b"text" not in leaving.recv(1 << 16):
                    pass
        leader.wait_message("Abort", 2)
        assert leader.steps == before  # it is the same step still
        leader.let(STEPS)
        assert sum(1 for _ in events)
    after = leader.steps[len(before) :]
    assert before[-1].held > 2 * mine  # the one that left held most
    assert len(after) > 2
    assert all(step.held <= mine for step in after)
