"""Timing on a machine that others use too."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable

import numpy as np


def median_seconds(action: Callable[[], object], rounds: int = 15) -> float:
    """The median time of an action, after one run that does not count."""
    action()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def read_bandwidth(threads: int, size: int = 128 << 20) -> float:
    """Bytes a second that ``threads`` threads read from memory together: the bound of every product of one row."""
    parts = np.array_split(np.ones(size // 8, np.int64), threads)

    def read() -> None:
        readers = [threading.Thread(target=part.max) for part in parts]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()

    return size / median_seconds(read)
