"""The place of one request: whose it is, how it is cut off, and when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from mistralrs_plugins.frontends.serve.errors import HttpError


class Work(Protocol):
    """What a request has the engine do."""

    def cancel(self) -> None:
        """Stop what still runs; the rest ends at once."""


class Ticket:
    """A place for as many answers as a request asks for. Give it back exactly when nothing runs any more.

    ``timeout`` is how many seconds the request may take from now on, ``on_end`` is called when the place is free.
    """

    def __init__(self, answers: int, timeout: float | None, on_end: Callable[[Ticket], None]) -> None:
        self.answers = answers
        self.work: Work | None = None
        self.cut: HttpError | None = None
        self._on_end = on_end
        self._waits: asyncio.Future[HttpError | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if timeout is not None:
            error = HttpError(504, f"the request took longer than {timeout:g} seconds", "request_timeout")
            self._timer = asyncio.get_running_loop().call_later(timeout, self.end, error)

    def runs(self, work: Work) -> None:
        """Say what the place is used for, so that it can be cut off."""
        self.work = work
        if self.cut is not None:
            work.cancel()

    async def wait(self, what: asyncio.Future[HttpError | None]) -> None:
        """Wait for ``what``, which goes on without this request. Raises what the client must be told instead."""
        self._waits = asyncio.shield(what)
        try:
            problem = await self._waits
        except asyncio.CancelledError:
            if self.cut is None:
                raise
            problem = self.cut
        finally:
            self._waits = None
        if problem is not None:
            raise problem

    def end(self, error: HttpError) -> None:
        """Cut the answers off; the client is told ``error``."""
        self.cut = self.cut or error
        if self.work is not None:
            self.work.cancel()
        if self._waits is not None:
            self._waits.cancel()

    def give_back(self) -> None:
        """Free the place. May be called again."""
        if self._timer is not None:
            self._timer.cancel()
        self._on_end(self)
