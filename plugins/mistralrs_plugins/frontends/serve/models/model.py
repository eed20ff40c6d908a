"""One model being served: its text side is always here, its engine's process only while it is loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psutil

from mistralrs.api.asynchronous import AsyncEngine, TextSide
from mistralrs.api.process import Deliver, EngineProcess, EngineState, Post
from mistralrs.api.recipe import EngineRecipe
from mistralrs_plugins.frontends.serve.admission import Ticket
from mistralrs_plugins.frontends.serve.errors import HttpError


class ModelState(StrEnum):
    """Whether requests can be answered now."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    LOADED = "loaded"
    RESTARTING = "restarting"
    UNLOADING = "unloading"


STATE_OF_PROCESS = {EngineState.READY: ModelState.LOADED, EngineState.RESTARTING: ModelState.RESTARTING}


STATUS = {ModelState.LOADING: "reloading", ModelState.RESTARTING: "reloading"}
"""What clients call it, where that is not its name: they know loaded, unloaded and reloading."""


@dataclass(frozen=True, kw_only=True)
class ModelPlan:
    """What a model is made from. ``names`` are further names of it."""

    recipe: EngineRecipe
    text: TextSide
    max_seqs: int
    names: tuple[str, ...] = ()


class Model:
    """A model and whoever uses it. All of it happens on the event loop's thread.

    ``tickets`` are the requests that are being answered by it, ``waiting`` those for which it is loaded first.
    ``change`` is the load or unload that is under way; :class:`ModelPool` alone starts one.
    """

    def __init__(self, plan: ModelPlan, post: Post, notify: Callable[..., None]) -> None:
        self.plan = plan
        self.engine = AsyncEngine(plan.text, self, notify)
        self.process = EngineProcess(plan.recipe)  # stands for the one to come: it is not started
        self.tickets: set[Ticket] = set()
        self.waiting: set[Ticket] = set()
        self.last_used = time.monotonic()
        self.change: asyncio.Task[HttpError | None] | None = None
        self.closing = False
        self._post = post
        self._settled = asyncio.Event()
        self._started = False
        self._announce: Callable[[], None] = lambda: None

    @property
    def id(self) -> str:
        """The model's own name."""
        return self.engine.model.id

    @property
    def names(self) -> tuple[str, ...]:
        """All names of it, its own first."""
        return (self.id, *self.plan.names)

    @property
    def state(self) -> ModelState:
        """Where it is in its life."""
        if not self._started:
            return ModelState.UNLOADED
        if self.closing:
            return ModelState.UNLOADING
        return STATE_OF_PROCESS.get(self.process.state, ModelState.LOADING)

    @property
    def memory_bytes(self) -> int:
        """What it takes now: what its process has, or will have as far as is known."""
        if not self._started:
            return 0
        estimate = self.plan.text.memory
        return max(self.resident_bytes, estimate.total if estimate else 0)

    @property
    def resident_bytes(self) -> int:
        """Memory of its process; 0 when there is none."""
        try:
            return 0 if (pid := self.process.pid) is None else int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0

    def pending(self) -> int:
        """Answers that were accepted and have not ended."""
        return sum(ticket.answers for ticket in (*self.tickets, *self.waiting))

    @property
    def status(self) -> str:
        """Its state, as clients call it."""
        return STATUS.get(self.state, self.state.value)

    def describe(self) -> dict[str, Any]:
        """What clients are told of its state. Sizes are in bytes."""
        memory = self.plan.text.memory
        return {
            "model_id": self.id,
            "status": self.status,
            "error": None,
            "answers": self.pending(),
            "memory_bytes": self.resident_bytes,
            "memory_estimate_bytes": memory.total if memory else None,
        }

    async def load(self, announce: Callable[[], None]) -> None:
        """Start the process and wait until it takes requests; then, and whenever it comes back, ``announce``.

        Raises what kept it from being loaded.
        """
        self._settled = asyncio.Event()
        self._announce = announce
        loop = asyncio.get_running_loop()
        self.process = EngineProcess(self.plan.recipe, post=self._post, on_change=self._changed, loop=loop)
        self.process.start()
        self._started = True
        await self._settled.wait()
        if self.process.failure is not None:
            raise self.process.failure

    def _changed(self) -> None:
        if self.process.state is EngineState.READY:
            self._announce()
        if self.process.state in (EngineState.READY, EngineState.FAILED, EngineState.CLOSED):
            self._settled.set()

    async def unload(self) -> None:
        """End the process, and what it runs. Does nothing without one."""
        if self._started:
            await asyncio.to_thread(self.process.close)
            self._started = False

    def submit(self, message: Any, deliver: Deliver | None = None) -> None:
        """Pass a message to the engine there is now; as :class:`EngineLoop` has it."""
        self.process.submit(message, deliver)

    def close(self, timeout: float | None = None) -> bool:
        """End the process; as :class:`EngineLoop` has it."""
        return not self._started or self.process.close(timeout)
