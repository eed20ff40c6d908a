"""Runs an engine on a thread of its own, behind a queue: anybody may submit, the engine calls back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue

import torch

from mistralrs.engine.embedder import EmbeddingEngine
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import (
    Abort,
    EngineInput,
    EngineOutput,
    Finished,
    FinishReason,
    Request,
    Shutdown,
    Usage,
)
from mistralrs.engine.stats import EngineStats
from mistralrs.errors import EngineError, MistralrsError

log = logging.getLogger(__name__)

Deliver = Callable[[EngineOutput], None]
"""Takes a request's output on the engine's thread; it must only pass it on. If it raises, the request is aborted."""


class EngineThread:
    """The engine's loop. Every submitted request is answered by exactly one :class:`Finished`.

    ``said`` is called after output was delivered: once for all of a step's, on the thread that delivered it.
    """

    def __init__(self, engine: Engine | EmbeddingEngine, name: str = "engine") -> None:
        self.said: Callable[[], None] = lambda: None
        self._engine = engine
        self._inbox: SimpleQueue[tuple[EngineInput, Deliver | None]] = SimpleQueue()
        self._deliver: dict[int, Deliver] = {}
        self._closing = False
        self._lock = threading.Lock()  # between "is it closing?" and putting something in
        self._stats = engine.stats()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> EngineThread:
        """Start the loop."""
        self._thread.start()
        return self

    @property
    def is_alive(self) -> bool:
        """Whether the loop runs and takes requests."""
        return self._thread.is_alive() and not self._closing

    @property
    def stats(self) -> EngineStats:
        """The engine's counters after its last step; may be read by any thread."""
        return self._stats

    def submit(self, message: EngineInput, deliver: Deliver | None = None) -> None:
        """Send a message to the engine; ``deliver`` gets everything about a request, from another thread.

        Never raises for a bad request or a stopped engine: that is told as a Finished, like any other end.
        """
        with self._lock:
            accepted = not self._closing
            if accepted:
                self._closing = isinstance(message, Shutdown)
                self._inbox.put((message, deliver))
        if not accepted and isinstance(message, Request) and deliver is not None:
            deliver(_refusal(message, _stopped()))
            self.said()

    def close(self, timeout: float | None = None) -> bool:
        """End all requests as canceled, then the loop. False if it is still busy after ``timeout`` seconds."""
        self.submit(Shutdown())
        if self._thread.ident is None:  # never started
            self._refuse_rest()
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @torch.inference_mode()
    def _run(self) -> None:
        error: EngineError | None = _stopped()
        try:
            while self._receive():
                self._step()
            error = None
        finally:
            with self._lock:
                self._closing = True
            self._hand_out(self._engine.end_all(error))
            self._refuse_rest()
            self._stats = self._engine.stats()
            self.said()

    def _receive(self) -> bool:
        """Take in all messages, waiting for one if there is nothing else to do. False after a Shutdown."""
        while not self._inbox.empty() or not self._engine.has_work:
            message, deliver = self._inbox.get()
            if isinstance(message, Shutdown):
                return False
            if isinstance(message, Abort):
                self._engine.abort(message.id)
            else:
                self._add(message, deliver)
        return True

    def _add(self, request: Request, deliver: Deliver | None) -> None:
        try:
            self._engine.add(request)
        except Exception as error:
            known = isinstance(error, MistralrsError)
            if not known:
                log.exception("request %d could not be read", request.id)
            told = error if known else EngineError("the request could not be read")
            if deliver is not None:
                _call(deliver, _refusal(request, told))
                self.said()
            return
        if deliver is not None:
            self._deliver[request.id] = deliver

    def _step(self) -> None:
        """One step. A failure that is no single request's fault ends those in the engine, and the loop goes on."""
        engine = self._engine
        try:
            self._hand_out(engine.step())
            if not engine.has_work:
                engine.check_idle()
        except Exception:
            log.exception("the engine failed in a step; its requests end, and it starts afresh")
            self._hand_out(engine.end_all(EngineError("the engine failed in a step", "send the request again")))
        self._stats = engine.stats()
        self.said()

    def _hand_out(self, outputs: Iterable[EngineOutput]) -> None:
        for output in outputs:
            ended = isinstance(output, Finished)
            deliver = self._deliver.pop(output.id, None) if ended else self._deliver.get(output.id)
            if deliver is not None and not _call(deliver, output) and not ended:
                self._deliver.pop(output.id, None)
                self._engine.abort(output.id)

    def _refuse_rest(self) -> None:
        while not self._inbox.empty():
            message, deliver = self._inbox.get()
            if isinstance(message, Request) and deliver is not None:
                _call(deliver, _refusal(message, _stopped()))


def _call(deliver: Deliver, output: EngineOutput) -> bool:
    """Deliver; False if the receiver is gone, which must not trouble the engine."""
    try:
        deliver(output)
    except Exception:
        log.exception("output of request %d could not be delivered", output.id)
        return False
    return True


def _refusal(request: Request, error: Exception) -> Finished:
    usage = Usage(prompt_tokens=len(request.prompt))
    return Finished(id=request.id, reason=FinishReason.ERROR, usage=usage, error=error)


def _stopped() -> EngineError:
    return EngineError("the engine has stopped", code="engine_stopped")
