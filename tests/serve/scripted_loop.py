"""A loop that writes letters, in place of an engine: for tests of the server's life, which need many servers."""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mistralrs.engine.request import (
    Abort,
    Embed,
    Embedded,
    EngineInput,
    EngineOutput,
    Finished,
    FinishReason,
    Generate,
    Tokens,
    Usage,
)
from mistralrs.engine.stats import EngineStats
from mistralrs.errors import ModelFormatError
from tests.serve.scripted_text import MARK_IDS, SLOW

BLOCKS = 8
WIDTH = 16


class LetterLoop:
    """Answers every request with the alphabet, on a thread each.

    The last letter of an answer to the mark SLOW waits until there is a file ``ends_when``, if one is named.
    """

    def __init__(self, width: int, ends_when: str | None = None) -> None:
        self._width = width
        self._ends_when = ends_when
        self._stopped: set[int] = set()
        self._running: dict[int, threading.Thread] = {}
        self.said: Callable[[], None] = lambda: None

    @property
    def stats(self) -> EngineStats:
        running = len(self._running)
        counts = ("steps", "preemptions", "evictions", "prompt_tokens", "prefix_hit_tokens", "generated_tokens")
        totals = dict.fromkeys(counts, 0)
        blocks = {"free_blocks": BLOCKS, "cached_blocks": 0, "total_blocks": BLOCKS}
        return EngineStats(running=running, waiting=0, tokens_per_second=0.0, **blocks, **totals)

    def submit(self, message: EngineInput, deliver: Callable[[EngineOutput], None] | None = None) -> None:
        if isinstance(message, Abort):
            self._stopped.add(message.id)
        elif isinstance(message, Embed) and deliver is not None:
            deliver(Embedded(id=message.id, values=vector_of(message, self._width)))
            deliver(Finished(id=message.id, reason=FinishReason.STOP, usage=_usage(len(message.prompt), 0)))
            self.said()
        elif isinstance(message, Generate) and deliver is not None:
            thread = threading.Thread(target=self._answer, args=(message, deliver), daemon=True)
            self._running[message.id] = thread
            thread.start()

    def _answer(self, request: Generate, deliver: Callable[[EngineOutput], None]) -> None:
        limit = request.sampling.max_tokens or 100
        is_slow = MARK_IDS[SLOW] in request.prompt
        given = 0
        while given < limit and request.id not in self._stopped:
            if is_slow and given == limit - 1 and not _is_there(self._ends_when):
                time.sleep(0.005)
                continue
            deliver(Tokens(id=request.id, tokens=(97,), text=chr(ord("a") + given % 26)))
            self.said()
            given += 1
            time.sleep(0.02 if is_slow else 0.0)
        reason = FinishReason.ABORT if given < limit else FinishReason.LENGTH
        self._running.pop(request.id)
        deliver(Finished(id=request.id, reason=reason, usage=_usage(len(request.prompt), given)))
        self.said()

    def close(self, timeout: float | None = None) -> bool:
        self._stopped.update(self._running)
        for thread in list(self._running.values()):
            thread.join(timeout)
        return True


class HaltingLoop(LetterLoop):
    """Stops its process when it is asked anything, with half of a message said."""

    def submit(self, message: EngineInput, deliver: Callable[[EngineOutput], None] | None = None) -> None:
        said = int(sys.argv[2])  # the worker's end of the pipe
        os.write(said, struct.pack("!i", 1 << 20) + bytes(1000))
        os.kill(os.getpid(), signal.SIGSTOP)


def _usage(prompt: int, given: int) -> Usage:
    counts = {"prompt_tokens": prompt, "cached_tokens": 0, "completion_tokens": given}
    return Usage(queue_seconds=0.0, prompt_seconds=0.0, completion_seconds=0.0, **counts)


def make(settings: dict[str, Any]) -> LetterLoop:
    """Start the loop, or fail if ``settings`` say so; with ``loads_when`` once there is a file of that name.

    Meanwhile there is one with ``.awaited`` behind the name.
    """
    if settings.get("fails"):
        raise ModelFormatError("the scripted model is damaged")
    if file := settings.get("loads_when"):
        Path(f"{file}.awaited").touch()
    while not _is_there(file):
        time.sleep(0.005)
    kind = HaltingLoop if settings.get("halts") else LetterLoop
    return kind(settings.get("width", WIDTH), settings.get("ends_when"))


def _is_there(file: str | None) -> bool:
    return file is None or Path(file).exists()


def vector_of(message: Embed, width: int) -> npt.NDArray[np.float32]:
    """How often each remainder is among the token ids; of a pair, the share of its second text that is in its first."""
    if message.second is not None:
        first, second = message.prompt[: message.second], message.prompt[message.second :]
        share = sum(token in first for token in second) / max(1, len(second))
        return np.full(width, share, np.float32)
    return np.bincount(np.array(message.prompt) % WIDTH, minlength=WIDTH).astype(np.float32)
