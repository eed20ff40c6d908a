"""What all routes share: the model and its engine, who is being served, and whether more can be taken."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from mistralrs.api.asynchronous import AsyncEngine, Generation
from mistralrs.api.log import RequestLog
from mistralrs.api.process import EngineProcess, EngineState
from mistralrs.api.requests import RequestModel
from mistralrs.config.server import ServerConfig
from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.metrics import Metrics

DEFAULT_MODEL = "default"
MAX_ANSWERS = 128
"""Answers that one request may ask for, over all its prompts."""


class Ticket:
    """The place of one request, for as many answers as it asks for. Give it back exactly when nothing runs any more."""

    def __init__(self, service: Service, answers: int) -> None:
        self.answers = answers
        self.generation: Generation | None = None
        self.cut: HttpError | None = None
        self._service = service
        self._timer: asyncio.TimerHandle | None = None

    def runs(self, generation: Generation) -> None:
        """Say what the place is used for, so that it can be cut off."""
        self.generation = generation
        if self.cut is not None:
            generation.cancel()
        seconds = self._service.config.request_timeout
        if seconds is not None:
            error = HttpError(504, f"the request took longer than {seconds:g} seconds", "request_timeout")
            self._timer = asyncio.get_running_loop().call_later(seconds, self.end, error)

    def end(self, error: HttpError) -> None:
        """Cut the answers off; the client is told ``error``."""
        self.cut = self.cut or error
        if self.generation is not None:
            self.generation.cancel()

    def give_back(self) -> None:
        """Free the place. May be called again."""
        if self._timer is not None:
            self._timer.cancel()
        self._service.tickets.discard(self)


class Service:
    """One model being served. ``names`` are all names clients may call it by, the first being its own."""

    def __init__(
        self,
        config: ServerConfig,
        engine: AsyncEngine,
        process: EngineProcess,
        *,
        max_seqs: int,
        names: tuple[str, ...] = (),
        log: RequestLog | None = None,
    ) -> None:
        self.config = config
        self.engine = engine
        self.process = process
        self.names = (engine.model.id, *names)
        self.started_at = int(time.time())
        self.max_seqs = max_seqs
        self.tickets: set[Ticket] = set()
        self.draining = False
        self.bytes_read = 0
        self.log = log
        self.metrics = Metrics(engine.model.id, lambda: process.stats, max_seqs=max_seqs, pending=self.pending)

    @property
    def model_id(self) -> str:
        """The model's own name."""
        return self.engine.model.id

    def check_model(self, name: str | None) -> None:
        """Raise :class:`RequestError` 404 for a model that is not here."""
        if name not in (None, DEFAULT_MODEL, *self.names):
            message = f"model {str(name)[:100]!r} is not served here; there is {', '.join(self.names)}"
            raise RequestError(message, param="model", code="model_not_found")

    def unready(self) -> str:
        """Why no request can be taken now, or an empty string."""
        if self.draining:
            return "the server is shutting down"
        if self.process.state is not EngineState.READY:
            return "the model is being loaded"
        return ""

    @property
    def stalled(self) -> bool:
        """Whether the engine has not moved for longer than it may."""
        return self.process.stalled_seconds > self.config.stall_timeout

    def pending(self) -> int:
        """Answers that were accepted and have not ended."""
        return sum(ticket.answers for ticket in self.tickets)

    def admit(self, answers: int = 1) -> Ticket:
        """A place for one request. Raises :class:`HttpError`: 503 if nobody is served, 429 if all places are taken."""
        if reason := self.unready():
            raise HttpError(503, reason, "unavailable", headers={"retry-after": "1"})
        if answers > MAX_ANSWERS:
            raise RequestError(f"a request may ask for at most {MAX_ANSWERS} answers, not {answers}", param="n")
        capacity = self.max_seqs + self.config.max_queue
        taken = self.pending()
        if taken + answers > capacity:
            self.metrics.rejected.inc(answers)
            wait = str(max(1, math.ceil(taken / self.max_seqs)))
            message = f"{taken} answers are being made or wait, the limit is {capacity}; {answers} more do not fit"
            raise HttpError(429, message, "overloaded", headers={"retry-after": wait})
        ticket = Ticket(self, answers)
        self.tickets.add(ticket)
        return ticket

    def cut_off(self) -> None:
        """End everything that runs, telling the clients why."""
        for ticket in list(self.tickets):
            ticket.end(HttpError(503, "the server is shutting down", "unavailable"))

    async def drained(self, timeout: float) -> bool:
        """Wait until nobody is being served. False if somebody still is after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.tickets and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        return not self.tickets

    def recorder(self, body: RequestModel) -> Callable[[str, str], None]:
        """What appends a request with an answer and its reason to the log of ``--log``, if there is one."""
        log = self.log
        if log is None:
            return lambda answer, reason: None
        asked = body.model_dump(mode="json", exclude_defaults=True)
        return lambda answer, reason: log.write(model=self.model_id, request=asked, response=answer, reason=reason)
