"""Thousands of mixed requests and clients that leave: afterwards everything is free, and memory has not grown.

``MISTRALRS_SOAK`` sets the number of requests, 1000 without it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Any

import psutil
import pytest

from tests.serve.running import chat_body, scripted
from tests.waiting import wait_until

REQUESTS = int(os.environ.get("MISTRALRS_SOAK", "1000"))
CLIENTS = 48
WARM_UP = 300
GROWTH_BYTES = 50 << 20
ANSWER_SECONDS = 200.0
"""A machine may be busy; an answer that never comes is what is looked for."""
HEAD = b"POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n"


@pytest.mark.timeout(1800)
def test_thousands_of_requests_leave_nothing_behind() -> None:
    with scripted({"max_seqs": 16}) as server:
        server.wait_ready()
        golden = server.chat("golden").body
        asyncio.run(storm(server.port, WARM_UP, seed=0))
        server.wait_idle()
        processes = [psutil.Process(server.process.pid), server.worker()]
        before = [process.memory_info().rss for process in processes]
        files = [process.num_fds() for process in processes]
        asyncio.run(storm(server.port, REQUESTS, seed=1))
        server.wait_idle()
        for process, memory, opened in zip(processes, before, files, strict=True):
            growth = process.memory_info().rss - memory
            print(f"{REQUESTS} requests: {growth / 2**20:+.1f} MiB")
            assert growth < GROWTH_BYTES
            wait_until(lambda process=process, opened=opened: process.num_fds() <= opened + 2)
        again = server.chat("golden")
        assert again.json["choices"] == json.loads(golden)["choices"]
        assert server.get("/health/ready").status == 200
        server.signal()
        assert server.wait() == 0


async def storm(port: int, count: int, seed: int) -> None:
    """``count`` requests from many clients at a time."""
    rng = random.Random(seed)
    gate = asyncio.Semaphore(CLIENTS)

    async def one(request: tuple[bytes, Any, float | None]) -> None:
        async with gate:
            await ask(port, *request)

    await asyncio.gather(*(one(draw(rng)) for _ in range(count)))


def draw(rng: random.Random) -> tuple[bytes, Any, float | None]:
    """A request, and after how many seconds its client leaves, if it does."""
    path = rng.choice([b"/v1/chat/completions", b"/v1/completions", b"/v1/messages"])
    fields: dict[str, Any] = {"max_tokens": rng.randrange(1, 9), "stream": rng.random() < 0.5}
    if rng.random() < 0.1:
        fields["temperature"] = -1
    text = rng.choice(["hello", "golden", f"{rng.random()}", "^", "|", "x" * rng.randrange(1, 300)])
    body = chat_body(text, **fields)
    if path == b"/v1/completions":
        body.pop("messages")
        body |= {"prompt": text, "n": rng.choice([1, 1, 3])}
    return path, body, rng.random() * 0.2 if rng.random() < 0.3 else None


async def ask(port: int, path: bytes, body: Any, leaves: float | None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = json.dumps(body).encode()
    writer.write(HEAD % path + b"content-length: %d\r\n\r\n" % len(content) + content)
    try:
        if leaves is not None:
            await asyncio.sleep(leaves)
            return
        answer = await asyncio.wait_for(reader.read(), ANSWER_SECONDS)
    finally:
        writer.close()
    status = int(answer.split(b" ", 2)[1])
    broken = any(mark in json.dumps(body) for mark in "^|")
    assert status in (200, 400, 429) or (status == 500 and broken), answer[:500]
    if status == 200 and body["stream"]:
        ends = answer.count(b"data: [DONE]") + answer.count(b"event: message_stop") + answer.count(b"event: error")
        assert ends == 1
