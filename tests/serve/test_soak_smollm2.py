"""The same storm on a real model: afterwards everything is free, and memory has not grown."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from tests.serve.running import RunningServer
from tests.serve.test_soak import GROWTH_BYTES, storm

WARM_UP, REQUESTS = 60, 200
POOL_TOKENS = "1024"
"""A small cache, so that the warm-up has touched all of it."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hundreds_of_requests_leave_nothing_behind(smollm2_gguf: Path) -> None:
    command = [sys.executable, "-m", "mistralrs", "serve", "-m", str(smollm2_gguf), "--port", "0"]
    with RunningServer([*command, "--disable-access-log", "--pa-context-len", POOL_TOKENS]) as server:
        server.wait_ready()
        asyncio.run(storm(server.port, WARM_UP, seed=0))
        server.wait_idle()
        processes = [psutil.Process(server.process.pid), server.worker()]
        before = [process.memory_info().rss for process in processes]
        asyncio.run(storm(server.port, REQUESTS, seed=1))
        server.wait_idle()
        for process, memory in zip(processes, before, strict=True):
            growth = process.memory_info().rss - memory
            print(f"{REQUESTS} requests: {growth / 2**20:+.1f} MiB")
            assert growth < GROWTH_BYTES
        assert server.get("/health/ready").status == 200
        server.signal()
        assert server.wait() == 0
