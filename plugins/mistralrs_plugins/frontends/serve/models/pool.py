"""Which models are loaded: on demand, one at a time, within a budget of memory, and not longer than they are used.

A request for a model that is not loaded waits until it is. A model that is unloaded lets its answers end first, and
whoever asks for it meanwhile has it loaded again: no request is lost between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from mistralrs.cli.console import note
from mistralrs.errors import MistralrsError, RequestError, UsageError
from mistralrs_plugins.frontends.serve.admission import Ticket
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.models.model import Model, ModelState

log = logging.getLogger("mistralrs.serve")

DEFAULT_MODEL = "default"
RETRY_SECONDS = 5.0
"""How long a model that could not be loaded is left alone."""
LONGEST_PAUSE = 5.0
LAST_WORDS_SECONDS = 3.0
"""How long responses may take that say that everything ends."""


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """``budget`` is bytes for all models, None for what the machine has; times are seconds."""

    budget: int | None = None
    idle_unload: float | None = None
    drain_timeout: float = 30.0


class ModelPool:
    """All models of a server, the first of which is the default one."""

    def __init__(self, models: Sequence[Model], limits: PoolLimits) -> None:
        self.models = tuple(models)
        self.default = self.models[0]
        self.starting = True
        self._limits = limits
        self._by_name = {name: model for model in models for name in model.names}
        self._changing = asyncio.Lock()
        self._failed_at: dict[str, float] = {}
        self._watch: asyncio.Task[None] | None = None
        self._was_ready: set[str] = set()

    def find(self, name: str | None) -> Model:
        """The model of a name. Raises :class:`RequestError` 404 for one that is not here."""
        if name is None or name == DEFAULT_MODEL:
            return self.default
        model = self._by_name.get(name)
        if model is None:
            known = ", ".join(list(self._by_name)[:20])
            message = f"model {name[:100]!r} is not served here; there is {known}"
            raise RequestError(message, param="model", code="model_not_found")
        return model

    async def start(self) -> None:
        """Load the default model. Raises what keeps it from being loaded."""
        if self._limits.idle_unload is not None:
            self._watch = asyncio.create_task(self._unload_idle(self._limits.idle_unload))
        self.default.change = asyncio.create_task(self._load(self.default))
        await asyncio.wait([self.default.change])
        if failure := self.default.process.failure:
            raise failure
        self.starting = False

    async def ready(self, model: Model, ticket: Ticket) -> None:
        """Wait until ``model`` takes requests, and count ``ticket`` among them.

        Raises :class:`HttpError` 503 when the server only starts, when the engine has died and is started again, and
        when the model cannot be loaded.
        """
        model.waiting.add(ticket)
        try:
            while model.state is not ModelState.LOADED:
                if model.state is ModelState.RESTARTING or (self.starting and model is self.default):
                    raise HttpError(503, "the model is being loaded", "unavailable", headers={"retry-after": "1"})
                await ticket.wait(self._change(model))
            model.tickets.add(ticket)
        finally:
            model.waiting.discard(ticket)

    async def load(self, model: Model) -> HttpError | None:
        """Have ``model`` loaded. Returns why it is not."""
        while model.state not in (ModelState.LOADED, ModelState.RESTARTING):
            if (problem := await asyncio.shield(self._change(model))) is not None:
                return problem
        return None

    async def unload(self, model: Model) -> None:
        """Let the answers of ``model`` end, then unload it. Who asks for it meanwhile has it loaded again."""
        if model.change is not None and not model.change.done():
            await asyncio.wait([model.change])
        if model.state in (ModelState.LOADED, ModelState.RESTARTING):
            await asyncio.wait([self._begin_unload(model)])

    def _begin_unload(self, model: Model) -> asyncio.Task[HttpError | None]:
        """From here on nobody new is answered by ``model``, even before the task runs."""
        model.closing = True
        model.change = asyncio.create_task(self._unload(model))
        return model.change

    def _change(self, model: Model) -> asyncio.Task[HttpError | None]:
        """What ``model`` goes through now, or the load that it needs."""
        if model.change is None or model.change.done():
            model.change = asyncio.create_task(self._load(model))
        return model.change

    async def _load(self, model: Model) -> HttpError | None:
        failed = self._failed_at.get(model.id)
        if failed is not None and time.monotonic() - failed < RETRY_SECONDS:
            return _not_loaded()
        async with self._changing:
            if (problem := await self._make_room(model)) is not None:
                return problem
            if (memory := model.plan.text.memory) is not None:
                note(f"Loading {model.id}: {memory}")
            try:
                await model.load(lambda: self._say_ready(model))
            except MistralrsError as error:
                if not self.starting:  # then it is what the server ends with
                    log.error("%s could not be loaded: %s", model.id, error)
                self._failed_at[model.id] = time.monotonic()
                await model.unload()
                return _not_loaded()
        self._failed_at.pop(model.id, None)
        model.last_used = time.monotonic()
        return None

    def _say_ready(self, model: Model) -> None:
        note(f"{model.id} is {'loaded again' if model.id in self._was_ready else 'ready'}")
        self._was_ready.add(model.id)

    async def _make_room(self, model: Model) -> HttpError | None:
        """Unload what has not been used for longest until ``model`` fits."""
        while not self._fits(model):
            idle = [each for each in self.models if each.state is ModelState.LOADED and not each.pending()]
            if not idle:
                if self._limits.budget is None:
                    return None  # the estimate may be too high: the system decides
                message = "other models are answering in the memory that this one needs"
                return HttpError(503, message, "model_memory_taken", headers={"retry-after": "5"})
            oldest = min(idle, key=lambda each: each.last_used)
            oldest.closing = True
            oldest.change = asyncio.create_task(self._close(oldest))
            await asyncio.wait([oldest.change])
        return None

    def _fits(self, model: Model) -> bool:
        memory = model.plan.text.memory
        if memory is None:
            return True
        if self._limits.budget is None:
            return memory.total <= psutil.virtual_memory().available
        return memory.total + sum(each.memory_bytes for each in self.models) <= self._limits.budget

    async def _unload(self, model: Model) -> HttpError | None:
        await gone(model, self._limits.drain_timeout)
        for ticket in list(model.tickets):
            ticket.end(HttpError(503, "the model is being unloaded", "unavailable", headers={"retry-after": "1"}))
        await gone(model, LAST_WORDS_SECONDS)
        async with self._changing:
            return await self._close(model)

    async def _close(self, model: Model) -> HttpError | None:
        await model.unload()
        model.closing = False
        note(f"{model.id} is unloaded")
        return None

    async def _unload_idle(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(min(seconds / 4, LONGEST_PAUSE))
            for model in self.models:
                is_idle = model.state is ModelState.LOADED and not model.pending()
                changes = model.change is not None and not model.change.done()
                if is_idle and not changes and time.monotonic() - model.last_used > seconds:
                    self._begin_unload(model)

    def kill(self) -> None:
        """End every process at once."""
        for model in self.models:
            model.process.kill()

    async def close(self) -> None:
        """End every process."""
        if self._watch is not None:
            self._watch.cancel()
        for model in self.models:
            if model.change is not None:
                model.change.cancel()
        await asyncio.gather(*(model.unload() for model in self.models))
        for model in self.models:
            model.engine.close()


async def gone(model: Model, seconds: float) -> None:
    """Wait until nobody is answered by ``model``, at most so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while model.tickets:
                await asyncio.sleep(0.02)


def _not_loaded() -> HttpError:
    retry = {"retry-after": str(int(RETRY_SECONDS))}
    return HttpError(503, "the model could not be loaded; the server's log says why", "model_load_failed", None, retry)


def check_plans(models: Sequence[Model], budget: int | None) -> None:
    """Raise :class:`UsageError` for names that mean two models, and for a model that can never be loaded."""
    seen = {DEFAULT_MODEL}
    for model in models:
        for name in model.names:
            if name in seen:
                raise UsageError(f"two models are called {name!r}", "give one of them another name")
            seen.add(name)
        memory = model.plan.text.memory
        if budget is not None and memory is not None and memory.total > budget:
            raise UsageError(
                f"{model.id} takes {memory}; the budget for all models is {budget / 2**30:.2f} GiB",
                "raise --memory-budget-mb, or make the cache smaller with --pa-context-len",
            )
