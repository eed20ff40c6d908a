"""The events of a response that is made in the background, for whoever follows them, from wherever they left off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.stream import KEEP_ALIVE, KEEP_ALIVE_SECONDS

MAX_BYTES: Final = 8 << 20
"""Of one response. What is beyond them is forgotten, the oldest first."""
AT_ONCE: Final = 256
"""Events that are sent in one piece."""
_END: Final = b"\n\n"


class Journal:
    """Events by their ``sequence_number``, which counts from 0. Belongs to one event loop."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.size = 0
        self._max_bytes = max_bytes
        self._first = 0
        self._events: list[bytes] = []
        self._closed = False
        self._news = asyncio.Event()

    def add(self, events: bytes) -> None:
        """Take in any number of whole events."""
        new = [event + _END for event in events.split(_END)[:-1]]
        self._events += new
        self.size += sum(map(len, new))
        if self.size > self._max_bytes:
            gone = len(self._events) // 2
            self.size -= sum(map(len, self._events[:gone]))
            self._first += gone
            del self._events[:gone]
        self.wake()

    def close(self) -> None:
        """No more events will come."""
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """Have everybody who waits look again."""
        self._news.set()
        self._news = asyncio.Event()

    def follow(self, after: int = -1) -> Follower:
        """Follow the events behind the one of the number ``after``. Raises RequestError if the next is forgotten."""
        if after + 1 < self._first:
            message = f"the events up to {self._first - 1} are forgotten; look the response up instead"
            raise RequestError(message, param="starting_after")
        return Follower(self, after + 1)

    async def from_place(self, place: int) -> tuple[list[bytes], bool]:
        """The events from a place on that are there, waiting for one if there is none; and whether those are all."""
        news = self._news
        if place >= self._first + len(self._events) and not self._closed:
            await news.wait()
        start = place - self._first
        found = self._events[start : start + AT_ONCE] if start >= 0 else []
        return found, start < 0 or (self._closed and start + len(found) >= len(self._events))


class Follower:
    """One client's way through a journal. Ends with it, when stopped, and when what comes next is forgotten."""

    def __init__(self, journal: Journal, place: int) -> None:
        self._journal = journal
        self._place = place
        self._stopped = False

    def stop(self) -> None:
        """Nobody listens any more."""
        self._stopped = True
        self._journal.wake()

    async def events(self) -> AsyncIterator[bytes]:
        """What is there, then what comes."""
        is_last = False
        while not is_last and not self._stopped:
            try:
                async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                    found, is_last = await self._journal.from_place(self._place)
            except TimeoutError:
                yield KEEP_ALIVE
                continue
            self._place += len(found)
            if found:
                yield b"".join(found)
