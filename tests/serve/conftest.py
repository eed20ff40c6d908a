"""One scripted server for all tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serve.running import RunningServer, scripted


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RunningServer]:
    with scripted() as server:
        yield server.wait_ready()


@pytest.fixture
def server(shared_server: RunningServer) -> Iterator[RunningServer]:
    """The shared server. After each test it must be idle, ready and as good as new."""
    yield shared_server
    shared_server.wait_idle()
    assert shared_server.get("/health/ready").status == 200


@pytest.fixture(scope="session")
def golden(shared_server: RunningServer) -> str:
    """The answer of an untroubled server to one question."""
    text: str = shared_server.chat("golden", max_tokens=32).json["choices"][0]["message"]["content"]
    assert len(text) == 32
    return text
