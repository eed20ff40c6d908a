"""Has kernels compiled by several processes at once: the compiler holds Python's lock nearly all the time."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from mistralrs_plugins.kernels.cpu.jit import code
from mistralrs_plugins.kernels.cpu.jit.cpus import usable_cpus

log = logging.getLogger(__name__)

_WORKER = "mistralrs_plugins.kernels.cpu.jit.worker"
_MOST_WORKERS = 8
"""Each takes about 200 MiB while it works."""
_LARGEST = 1 << 26
"""Bytes of an object, at most: what is longer is no object."""
_FEWEST = 2
"""Missing kernels from which processes of their own are worth their start."""
_LONGEST = ("product", "attention", "draws", "packed")
"""Modules whose kernels take longest, which are begun with."""


def _silent(_done: int) -> None:
    """Report nothing."""


def prepare(names: Iterable[str], told: Callable[[int], None] = _silent, later: Iterable[str] = ()) -> None:
    """Load kernels, compiling those that are neither in memory nor on disk. ``told`` hears how many are done.

    Those for ``later`` are compiled too, so that nobody waits for that then.
    """
    wanted = list(dict.fromkeys(names))
    every = list(dict.fromkeys([*wanted, *later]))
    missing = sorted((name for name in every if not code.is_kept(name)), key=_place)
    done = len(every) - len(missing)
    workers = min(len(missing), usable_cpus(), _MOST_WORKERS)
    if len(missing) >= _FEWEST and workers > 1 and sys.executable:
        for name, compiled in _compile(missing, workers):
            code.keep(name, compiled)
            done += 1
            told(done)
    for name in wanted:
        code.kernel_address(name)
    told(len(every))


def _place(name: str) -> int:
    module = name.partition(":")[0]
    return _LONGEST.index(module) if module in _LONGEST else len(_LONGEST)


def _compile(names: list[str], workers: int) -> Iterable[tuple[str, bytes]]:
    """Names with their objects, as they are done. What a process fails to compile is left out."""
    left: queue.SimpleQueue[str] = queue.SimpleQueue()
    found: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
    for name in names:
        left.put(name)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(workers):
            command = [sys.executable, "-m", _WORKER]
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment))
            threading.Thread(target=_serve, args=(started[-1], left, found), daemon=True).start()
        running = workers
        while running:
            answer = found.get()
            if answer is None:
                running -= 1
            else:
                yield answer
    except OSError as error:
        log.info("kernels are compiled one after the other: %s", error.strerror)
    finally:
        for process in started:
            process.kill()
            with suppress(OSError):  # what it was told last may be lost
                process.communicate()


def _serve(
    process: subprocess.Popen[bytes],
    left: queue.SimpleQueue[str],
    found: queue.SimpleQueue[tuple[str, bytes] | None],
) -> None:
    """Give one process names until there are none left, or until it ends."""
    try:
        while process.stdin and process.stdout:
            name = left.get_nowait()
            process.stdin.write(name.encode() + b"\n")
            process.stdin.flush()
            size = int.from_bytes(process.stdout.read(8), "little")
            compiled = process.stdout.read(size) if size <= _LARGEST else b""
            if compiled and len(compiled) == size:
                found.put((name, compiled))
    except (queue.Empty, OSError, ValueError):
        pass  # nothing left to do, or the process has ended: what is missing is compiled where it is needed
    finally:
        found.put(None)
