"""What must hold of a server after anything that was done to it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import psutil

from tests.serve.running import RunningServer
from tests.waiting import PATIENCE, assert_within

GROWTH_BYTES = 64 << 20
LARGEST = 10**7
SPARE_FILES = 4
SPARE_THREADS = 8

Golden = Callable[[RunningServer], str]


@dataclass(frozen=True)
class Footprint:
    """What the processes of a server take: bytes, open files, threads, and how many processes there are."""

    memory: int
    files: int
    threads: int
    processes: int

    @classmethod
    def of(cls, server: RunningServer) -> Footprint:
        while True:
            with contextlib.suppress(psutil.NoSuchProcess):  # one of the family has ended meanwhile
                own = psutil.Process(server.process.pid)
                return cls._sum([own, *own.children(recursive=True)])

    @classmethod
    def _sum(cls, family: Sequence[psutil.Process]) -> Footprint:
        return cls(
            memory=sum(each.memory_info().rss for each in family),
            files=sum(each.num_fds() for each in family),
            threads=sum(each.num_threads() for each in family),
            processes=len(family),
        )


class Watched:
    """A server, the answer it gave when it was new, and what it took then."""

    def __init__(self, server: RunningServer, golden: Golden) -> None:
        self.server = server
        self._golden = golden
        self._answer = golden(server)
        server.post("/tokenize", {"prompt": "x" * LARGEST})  # allocators keep what the largest request took
        server.wait_idle()
        self._before = Footprint.of(server)

    @contextlib.contextmanager
    def case(self) -> Iterator[RunningServer]:
        """One thing that is done to the server, and the check that it is as good as new afterwards."""
        yield self.server
        self.check()

    def check(self) -> None:
        """Ready at once, the same answer, nobody served, all blocks free, nothing left behind."""
        assert_within(5.0, self._readiness)
        assert self._golden(self.server) == self._answer
        self.server.wait_idle()
        deadline = time.monotonic() + PATIENCE
        while not self._is_small(now := Footprint.of(self.server)):
            assert time.monotonic() < deadline, (self._before, now)
            time.sleep(0.05)

    def _readiness(self) -> float:
        started = time.monotonic()
        assert self.server.get("/health/ready").status == 200
        return time.monotonic() - started

    def _is_small(self, now: Footprint) -> bool:
        before = self._before
        return (
            now.memory <= before.memory + GROWTH_BYTES
            and now.files <= before.files + SPARE_FILES
            and now.threads <= before.threads + SPARE_THREADS
            and now.processes <= before.processes
        )
