"""Measures one peer. Run with the interpreter of the peer's environment: nothing of this project may be imported.

    python worker.py MODULE MODEL RESULT --threads N --iterations N --prompt N --new N --depth N

MODULE is a file beside this one. The figures go into the file RESULT: some peers print on standard output.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

LEAST_CONTEXT = 4096
SPARE_TOKENS = 512


def memory(field: str) -> int:
    """Bytes of ``VmRSS`` (now) or ``VmHWM`` (the peak), as Linux counts them for this program alone."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Load, run once without counting, then take the medians."""
    module = importlib.import_module(args.module)
    imported = memory("VmRSS")
    started = time.perf_counter()
    context = max(LEAST_CONTEXT, args.depth + args.new + SPARE_TOKENS, args.prompt + SPARE_TOKENS)
    engine: Any = module.Engine(args.model, args.threads, context)
    load = time.perf_counter() - started
    engine.prompt(args.prompt)
    engine.decode(0, 8)
    rounds = range(args.iterations)
    return {
        "load": load,
        "prompt": statistics.median(engine.prompt(args.prompt) for _ in rounds),
        "decode": statistics.median(engine.decode(args.depth, args.new) for _ in rounds),
        "peak": memory("VmHWM"),
        "imports": imported,
    }


def main() -> None:
    """Parse, measure, write, and leave at once: some peers hang when they are taken apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("module", "model", "result"):
        parser.add_argument(name)
    for name in ("threads", "iterations", "prompt", "new", "depth"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args()
    Path(args.result).write_text(json.dumps(measure(args)), encoding="ascii")
    os._exit(0)


if __name__ == "__main__":
    main()
