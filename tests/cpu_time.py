"""CPU time of a command, beside that of a fixed piece of work on the same machine in the same minute."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable

LEAST_ROUNDS, ROUNDS = 3, 25
YARDSTICK = "import typer, logging, inspect, importlib.metadata"
"""What every start of the command needs, whatever we do."""
YARDSTICK_SECONDS = 0.12
"""CPU time of that, the interpreter's start included, on the machine that the limits are stated for."""


TRIES = 5


def own_seconds(run: Callable[[], object]) -> float:
    """CPU time of this thread in ``run``, without looking for garbage: that takes as long as the process is large."""
    gc.collect()
    gc.disable()
    try:
        before = time.thread_time()
        run()
        return time.thread_time() - before
    finally:
        gc.enable()


def assert_cheaper(run: Callable[[], object], yardstick: Callable[[], object], times: float = 1.0) -> None:
    """``run`` takes at most so many times the CPU time of the ``yardstick``, by the least of a few rounds of both."""
    spent, allowed = [], []
    for _ in range(TRIES):
        spent.append(own_seconds(run))
        allowed.append(times * own_seconds(yardstick))
        if min(spent) < min(allowed):
            return
    raise AssertionError(f"it took {min(spent):.3f} s of CPU time, {min(allowed):.3f} s are allowed")


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU time of the processes that ``run`` starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def assert_start_within(limit: float, run: Callable[[], object]) -> None:
    """The least CPU time of ``run`` is below ``limit``, on a slower machine scaled to the one that is stated for.

    A few rounds are enough where the machine is quiet; where it is not there are more of them.
    """
    spent, yardstick = [], []
    run()  # writes the byte code
    for _ in range(ROUNDS):
        spent.append(cpu_seconds(run))
        yardstick.append(cpu_seconds(lambda: subprocess.run([sys.executable, "-c", YARDSTICK], check=True)))
        least = min(spent) / max(1.0, min(yardstick) / YARDSTICK_SECONDS)
        if len(spent) >= LEAST_ROUNDS and least < limit:
            return
    raise AssertionError(f"it takes {least:.3f} s of CPU time, the limit is {limit} s")
