"""Clients of an OpenAI-compatible server: many at a time, timed by the event."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WORDS = ("apple", "river", "stone", "green", "house", "light", "music", "paper", "window", "bridge", "silver", "garden")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """``requests`` texts of ``prompt`` random words, each continued by ``new`` tokens, ``clients`` at a time."""

    clients: int
    requests: int
    prompt: int = 128
    new: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One request: seconds to the first text, seconds between texts, tokens of the answer."""

    first: float
    gaps: Sequence[float]
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What a load measured: ``rate`` in tokens of answers a second, medians in seconds."""

    rate: float
    first: float
    gap: float
    gap_p99: float


def measure(port: int, load: Load, seed: int) -> Throughput:
    """Put ``load`` on the server at ``port``. No two prompts begin alike, so that no cache of prompts helps."""
    rng = random.Random(seed)
    prompts = [" ".join(rng.choices(WORDS, k=load.prompt)) for _ in range(load.requests)]
    return asyncio.run(_measure(port, load, prompts))


async def _measure(port: int, load: Load, prompts: Sequence[str]) -> Throughput:
    gate = asyncio.Semaphore(load.clients)

    async def guarded(prompt: str) -> Timing:
        async with gate:
            return await _ask(port, prompt, load.new)

    started = time.perf_counter()
    found = await asyncio.gather(*map(guarded, prompts))
    seconds = time.perf_counter() - started
    gaps = sorted(gap for timing in found for gap in timing.gaps)
    return Throughput(
        rate=sum(timing.tokens for timing in found) / seconds,
        first=statistics.median(timing.first for timing in found),
        gap=statistics.median(gaps),
        gap_p99=gaps[int(len(gaps) * 0.99)],
    )


async def _ask(port: int, prompt: str, new: int) -> Timing:
    body: dict[str, Any] = {"model": "default", "prompt": prompt, "max_tokens": new, "temperature": 0}
    body |= {"ignore_eos": True, "stream": True, "stream_options": {"include_usage": True}}
    content = json.dumps(body).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.perf_counter()
    try:
        writer.write(head.encode() + content)
        if b" 200 " not in (status := await reader.readline()):
            raise RuntimeError(f"the server answered {status.decode().strip()}")
        times: list[float] = []
        tokens = 0
        async for line in reader:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[len(b"data: ") :])
            if any(choice.get("text") for choice in event["choices"]):
                times.append(time.perf_counter())
            if event.get("usage"):
                tokens = event["usage"]["completion_tokens"]
    finally:
        writer.close()
    return Timing(first=times[0] - started, gaps=[b - a for a, b in itertools.pairwise(times)], tokens=tokens)
