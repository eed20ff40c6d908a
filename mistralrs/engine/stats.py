"""What an engine says about itself."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

WINDOW_SECONDS = 5.0
"""The rate is an average over this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """A snapshot. Counts without a state in their name are totals since the start.

    ``prefix_hit_tokens`` of ``prompt_tokens`` did not have to be computed; ``evictions`` are cached blocks that had to
    make room.
    """

    running: int
    waiting: int
    free_blocks: int
    cached_blocks: int
    total_blocks: int
    steps: int
    preemptions: int
    evictions: int
    prompt_tokens: int
    prefix_hit_tokens: int
    generated_tokens: int
    tokens_per_second: float


class RateMeter:
    """Tokens per second over the last few seconds."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, tokens: int) -> None:
        """Count tokens of this moment."""
        self._events.append((time.perf_counter(), tokens))
        self._sum += tokens
        self._drop_old()

    def rate(self) -> float:
        """The average; 0 when nothing happened for the whole window."""
        self._drop_old()
        return self._sum / WINDOW_SECONDS

    def _drop_old(self) -> None:
        oldest = time.perf_counter() - WINDOW_SECONDS
        while self._events and self._events[0][0] < oldest:
            self._sum -= self._events.popleft()[1]
