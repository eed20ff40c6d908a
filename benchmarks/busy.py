"""Decoding while another program keeps one processor busy, beside decoding on an idle machine.

    python -m benchmarks.busy FILE.gguf [--rounds 5] [--loops 1]

The two take turns. In each busy round ``--loops`` processes that only count are pinned to as many of the processors
this one may use; the threads of the kernels may use all of them. Tokens a second are those of whole compiled steps.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.steps import SteppedModel

DEPTH = 64


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """``count`` processes that compute for nothing, each on a processor of its own."""
    running = []
    for cpu in sorted(os.sched_getaffinity(0))[:count]:
        code = f"import os; os.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"
        running.append(subprocess.Popen([sys.executable, "-c", code]))
    time.sleep(0.2)
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main() -> None:
    """Parse the command line and print one line a round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loops", type=int, default=1, help="processors kept busy")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = SteppedModel(args.model, tokens=DEPTH + 1024)
    print(f"{'round':5}{'idle tok/s':>12}{'busy tok/s':>12}{'ratio':>8}")
    ratios = []
    for index in range(args.rounds):
        idle = 1 / model.decode_seconds(1, DEPTH)
        with busy_loops(args.loops):
            busy = 1 / model.decode_seconds(1, DEPTH)
        ratios.append(busy / idle)
        print(f"{index + 1:5}{idle:12.1f}{busy:12.1f}{ratios[-1]:8.0%}", flush=True)
    print(f"median of the ratios: {statistics.median(ratios):.0%}")


if __name__ == "__main__":
    main()
