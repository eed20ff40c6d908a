"""Waiting for facts, and limits on time, for a machine on which everything may stall for seconds at any moment."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 100.0
"""Seconds. Only what never comes takes so long."""
TRIES = 5


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Poll until ``condition`` holds; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_within(limit: float, measure: Callable[[], float]) -> None:
    """Fail unless one of a few tries stays within ``limit`` seconds; ``measure`` makes one and returns what it took.

    A machine that stalls spoils a try, what is slow by itself spoils all of them.
    """
    taken: list[float] = []
    while not taken or taken[-1] > limit:
        assert len(taken) < TRIES, f"the quickest of {TRIES} tries took {min(taken):.2f} s, the limit is {limit} s"
        taken.append(measure())
