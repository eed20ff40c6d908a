"""What all routes share: the models, who is being served, and whether more can be taken."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request

from mistralrs.api.log import RequestLog
from mistralrs.api.openai.fields import MAX_ANSWERS
from mistralrs.api.requests import RequestModel
from mistralrs.config.server import ServerConfig
from mistralrs.errors import RequestError
from mistralrs.plugin.host import PluginHost
from mistralrs_plugins.frontends.serve.admission import Ticket
from mistralrs_plugins.frontends.serve.errors import HttpError, client_gone
from mistralrs_plugins.frontends.serve.files.store import FileStore
from mistralrs_plugins.frontends.serve.metrics import Metrics
from mistralrs_plugins.frontends.serve.models.model import Model, ModelState
from mistralrs_plugins.frontends.serve.models.pool import ModelPool
from mistralrs_plugins.frontends.serve.responses.store import ResponseStore
from mistralrs_plugins.frontends.serve.stream import while_connected

MAX_TEXTS = 256
"""Requests at a time that only have texts read or written, for which no place of an answer is taken."""


class Service:
    """The models being served, and everybody they are served to."""

    def __init__(self, config: ServerConfig, pool: ModelPool, host: PluginHost, log: RequestLog | None = None) -> None:
        self.config = config
        self.host = host
        self.pool = pool
        self.started_at = int(time.time())
        self.tickets: set[Ticket] = set()
        self.draining = False
        self.bytes_read = 0
        self.texts = 0
        self.responses = ResponseStore()
        self.files = FileStore()
        self.examining = asyncio.Lock()
        self.log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self.metrics = Metrics()
        self.watchers = {model.id: self.metrics.of_model(model) for model in pool.models}

    def model(self, request: Request, name: str | None) -> Model:
        """The model of a name, which is noted for log and metrics. Raises :class:`RequestError` 404."""
        model = self.pool.find(name)
        request.scope["model"] = model.id
        return model

    def unready(self) -> str:
        """Why no request can be taken now, or an empty string."""
        if self.draining:
            return "the server is shutting down"
        if self.pool.starting or self.pool.default.state is ModelState.RESTARTING:
            return "the model is being loaded"
        return ""

    @property
    def stalled(self) -> bool:
        """Whether an engine has not moved for longer than it may."""
        return any(model.process.stalled_seconds > self.config.stall_timeout for model in self.pool.models)

    async def admit(self, request: Request, model: Model, answers: int = 1) -> Ticket:
        """A place for one request, once ``model`` is loaded.

        Raises :class:`HttpError`: 503 if nobody is served, 429 if all places are taken, what came of loading.
        """
        self._check(model, answers)

        def ended(ticket: Ticket) -> None:
            self.tickets.discard(ticket)
            model.tickets.discard(ticket)
            model.last_used = time.monotonic()

        ticket = Ticket(answers, self.config.request_timeout, ended)
        self.tickets.add(ticket)
        try:
            ready = self.pool.ready(model, ticket)
            if model.state is ModelState.LOADED:
                await ready
            else:
                await while_connected(request, ready, lambda: ticket.end(client_gone()))
        except BaseException:
            ticket.give_back()
            raise
        return ticket

    @contextlib.contextmanager
    def text_place(self) -> Iterator[None]:
        """A place for reading or writing a text. Raises :class:`HttpError` 429 if all are taken."""
        if self.texts >= MAX_TEXTS:
            message = f"{self.texts} texts are being read, the limit is {MAX_TEXTS}"
            raise HttpError(429, message, "overloaded", headers={"retry-after": "1"})
        self.texts += 1
        try:
            yield
        finally:
            self.texts -= 1

    def refuse_if_draining(self) -> None:
        """Raise :class:`HttpError` 503 when nothing new is begun any more."""
        if self.draining:
            raise HttpError(503, self.unready(), "unavailable", headers={"retry-after": "1"})

    def _check(self, model: Model, answers: int) -> None:
        self.refuse_if_draining()
        if answers > MAX_ANSWERS:
            raise RequestError(f"a request may ask for at most {MAX_ANSWERS} answers, not {answers}", param="n")
        seqs = model.plan.max_seqs
        capacity = seqs + self.config.max_queue
        taken = model.pending()
        if taken + answers > capacity:
            self.watchers[model.id].rejected.inc(answers)
            wait = str(max(1, math.ceil(taken / seqs)))
            message = f"{taken} answers are being made or wait, the limit is {capacity}; {answers} more do not fit"
            raise HttpError(429, message, "overloaded", headers={"retry-after": wait})

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what no client waits for. It holds a ticket, so the server does not end without it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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

    def recorder(self, model: Model, body: RequestModel) -> Callable[[str, str], None]:
        """What appends a request with an answer and its reason to the log of ``--log``, if there is one."""
        log = self.log
        if log is None:
            return lambda answer, reason: None
        asked = body.model_dump(mode="json", exclude_defaults=True)
        return lambda answer, reason: log.write(model=model.id, request=asked, response=answer, reason=reason)


def tenant(request: Request) -> str:
    """Whose request it is: a name for its API key that says nothing about the key. Empty without keys."""
    return str(request.scope.get("tenant", ""))


def cache_salt(request: Request, given: str | None) -> str:
    """What separates cached prompts: of different keys always, and further as the client wants.

    Who shares a salt can learn by the time to the first token whether another has sent the same prompt.
    """
    return f"{tenant(request)}:{given}" if given else tenant(request)
