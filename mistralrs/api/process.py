"""The engine in a process of its own, behind a queue pair: a crash ends the running requests, not their server.

The process is started again when it dies. Meanwhile every request is answered at once, as one that could not be
served.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from enum import StrEnum
from multiprocessing import Pipe
from queue import SimpleQueue

from mistralrs.api.frames import Frames
from mistralrs.api.recipe import EngineRecipe, FromEngine, LoadFailed, Ready, ToEngine, said
from mistralrs.engine.request import EngineInput, EngineOutput, Finished, FinishReason, Request, Shutdown, Usage
from mistralrs.engine.stats import EngineStats
from mistralrs.errors import EngineError, MistralrsError

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
STEADY_SECONDS = 30.0
"""A process that ran this long did not die of what the one before it died of."""
CLOSE_SECONDS = 10.0

Deliver = Callable[[EngineOutput], None]
Post = Callable[[Callable[[], None]], object]


class EngineState(StrEnum):
    """Where the engine's process is in its life."""

    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    CLOSED = "closed"


class EngineProcess:
    """Runs an engine in a child process. Every submitted request is answered by exactly one Finished.

    ``post`` runs what the process says; a server passes its loop's ``call_soon_threadsafe``. ``on_change`` is called
    the same way whenever ``state`` has changed. With ``loop``, the same one, that loop reads what the process says:
    a thread between the two would cost a tenth of a small model's step. A model that could not be loaded the first
    time is FAILED, with ``failure``; later failures are tried again.
    """

    def __init__(
        self,
        recipe: EngineRecipe,
        *,
        post: Post = lambda call: call(),
        on_change: Callable[[], None] = lambda: None,
        loop: AbstractEventLoop | None = None,
    ) -> None:
        self.failure: MistralrsError | None = None
        self.restarts = 0
        self._recipe = recipe
        self._post = post
        self._on_change = on_change
        self._loop = loop
        self._lock = threading.Lock()
        self._state = EngineState.LOADING
        self._deliver: dict[int, tuple[Request, Deliver]] = {}
        self._child: _Child | None = None
        self._stats: EngineStats | None = None
        self._moved_at = time.monotonic()
        self._closing = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="engine-process", daemon=True)

    def start(self) -> EngineProcess:
        """Start the process and return at once; ``state`` says when the model is loaded."""
        self._supervisor.start()
        return self

    @property
    def state(self) -> EngineState:
        """Where the process is in its life."""
        return self._state

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        child = self._child
        return None if child is None else child.pid

    @property
    def stats(self) -> EngineStats | None:
        """The engine's counters of a quarter of a second ago at most; None while there is no engine."""
        return self._stats

    @property
    def stalled_seconds(self) -> float:
        """For how long there has been work but no step; 0 when the engine does what it should."""
        return time.monotonic() - self._moved_at if self._deliver else 0.0

    def submit(self, message: EngineInput, deliver: Deliver | None = None) -> None:
        """Send a message to the engine; ``deliver`` gets everything about a request.

        Never raises for a bad request or a missing engine: that is told as a Finished, like any other end.
        """
        is_request = isinstance(message, Request) and deliver is not None
        with self._lock:
            child = self._child if self._state is EngineState.READY else None
            if child is not None:
                if isinstance(message, Request) and deliver is not None:
                    if not self._deliver:
                        self._moved_at = time.monotonic()
                    self._deliver[message.id] = message, deliver
                child.outbox.put(message)
        if child is None and is_request:
            deliver(_unserved(message, self._unavailable()))  # type: ignore[misc, arg-type]

    def close(self, timeout: float | None = CLOSE_SECONDS) -> bool:
        """End all requests as canceled, then the process. False if it had to be killed."""
        self._closing.set()
        with self._lock:
            child, is_ready = self._child, self._state is EngineState.READY
        if child is not None and is_ready:
            child.outbox.put(Shutdown())
        elif child is not None:
            child.kill()  # it is loading, and would not listen
        self._supervisor.join(timeout)
        if not self._supervisor.is_alive():
            return True
        self.kill()
        self._supervisor.join()
        return False

    def kill(self) -> None:
        """End the process at once, in the middle of whatever it does."""
        self._closing.set()
        child = self._child
        if child is not None:
            child.kill()

    def _supervise(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing.is_set():
            started = time.monotonic()
            try:
                self._run_child()
            except OSError as error:
                log.error("the engine's process cannot be started: %s", error.strerror)
            if self._state is EngineState.FAILED or self._closing.is_set():
                break
            pause = FIRST_PAUSE if time.monotonic() - started > STEADY_SECONDS else min(2 * pause, LONGEST_PAUSE)
            self._closing.wait(pause)
            self.restarts += 1
        if self._state is not EngineState.FAILED:
            self._enter(EngineState.CLOSED)

    def _run_child(self) -> None:
        """Start a process and pass on what it says until it is gone."""
        child = self._child = _Child()
        child.outbox.put(self._recipe)
        try:
            if self._loop is None:
                while (message := child.receive()) is not None:
                    self._take(message, self._post)
            else:
                child.read_on(self._loop, lambda message: self._take(message, lambda call: call()))
        finally:
            if self._state is EngineState.READY:
                self._enter(EngineState.RESTARTING)
            with self._lock:
                self._child = None
                self._stats = None
                abandoned = list(self._deliver.values())
                self._deliver.clear()
            self._abandon(abandoned)
            self._bury(child.close())

    def _bury(self, status: int) -> None:
        """Say why there is no process any more; one that never got ready is not tried again."""
        if self._closing.is_set() or self._state is EngineState.FAILED:
            return
        if self._state is EngineState.LOADING:
            what = f"the engine's process ended while it loaded the model ({_ending(status)})"
            self.failure = EngineError(what, "a lack of memory is the usual reason")
            self._enter(EngineState.FAILED)
        else:
            log.error("the engine's process has ended (%s); it is started again", _ending(status))

    def _take(self, message: FromEngine, post: Post) -> None:
        if isinstance(message, tuple):
            outputs, stats = said(message), message[1] or self._stats
            if outputs or self._stats is None or stats is None or self._stats.steps != stats.steps:
                self._moved_at = time.monotonic()
            self._stats = stats
            if outputs:
                post(lambda: self._hand_out(outputs))
        elif isinstance(message, Ready):
            self._enter(EngineState.READY)
        else:
            self._load_failed(message)

    def _load_failed(self, message: LoadFailed) -> None:
        if self.restarts:
            log.error("the model could not be loaded again: %s", message.error)
            return
        self.failure = message.error
        self._enter(EngineState.FAILED)

    def _hand_out(self, outputs: list[EngineOutput]) -> None:
        for output in outputs:
            with self._lock:
                pop = isinstance(output, Finished)
                entry = self._deliver.pop(output.id, None) if pop else self._deliver.get(output.id)
            if entry is not None:
                _call(entry[1], output)

    def _abandon(self, requests: list[tuple[Request, Deliver]]) -> None:
        for request, deliver in requests:
            end = _canceled(request) if self._closing.is_set() else _unserved(request, _died())
            self._post(lambda deliver=deliver, end=end: _call(deliver, end))  # type: ignore[misc]

    def _enter(self, state: EngineState) -> None:
        with self._lock:
            self._state = state
        self._post(self._on_change)

    def _unavailable(self) -> EngineError:
        what = {EngineState.CLOSED: "has stopped", EngineState.FAILED: "could not be loaded"}
        return EngineError(
            f"the model {what.get(self._state, 'is being loaded')}", "try again later", code="engine_unavailable"
        )


class _Child:
    """One process and the two ends of its conversation. ``outbox`` takes what is to be sent."""

    def __init__(self) -> None:
        # Two pipes: whoever reads from a socket is woken up when what it sends is read at the other end.
        their_inbox, ours = Pipe(duplex=False)
        inbox, theirs = Pipe(duplex=False)
        ends = [their_inbox.fileno(), theirs.fileno()]
        command = [sys.executable, "-P", "-m", "mistralrs.api.worker", *map(str, ends)]
        path = os.pathsep.join(dict.fromkeys(filter(None, sys.path)))
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=ends,
                env={**os.environ, "PYTHONPATH": path},
                process_group=0,  # so that Ctrl-C in the terminal is the owner's alone
            )
        except BaseException:
            ours.close()
            inbox.close()
            raise
        finally:
            their_inbox.close()
            theirs.close()
        self._to_child, self._from_child = ours, inbox
        self.outbox: SimpleQueue[ToEngine | None] = SimpleQueue()
        self._sender = threading.Thread(target=self._send, name="engine-sender", daemon=True)
        self._sender.start()

    def _send(self) -> None:
        while (message := self.outbox.get()) is not None:
            try:
                self._to_child.send(message)
            except OSError:
                return  # the process is gone, which the receiving side sees too

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def receive(self) -> FromEngine | None:
        """The next message, or None when the process is gone."""
        try:
            message: FromEngine = self._from_child.recv()
        except (EOFError, OSError):
            return None
        return message

    def read_on(self, loop: AbstractEventLoop, take: Callable[[FromEngine], None]) -> None:
        """Have ``loop`` read, and call ``take`` for each message, until the process or the loop is gone.

        The loop never waits for the rest of a message: the process may be stopped in the middle of one.
        """
        ended = threading.Event()
        descriptor = self._from_child.fileno()
        frames = Frames(descriptor)

        def readable() -> None:
            try:
                messages = frames.read()
            except (EOFError, OSError):
                loop.remove_reader(descriptor)
                ended.set()
                return
            for message in messages:
                take(message)

        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(loop.add_reader, descriptor, readable)
        while not ended.wait(1.0) and not loop.is_closed() and self._process.poll() is None:
            pass
        if not ended.wait(1.0):  # the loop is gone, or has no time for a process that is
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(loop.remove_reader, descriptor)

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def close(self) -> int:
        """Wait for the end of the process, help it along if it hangs, and return its status."""
        self.outbox.put(None)
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._sender.join()
        self._to_child.close()
        self._from_child.close()
        return status


def _call(deliver: Deliver, output: EngineOutput) -> None:
    try:
        deliver(output)
    except Exception:
        log.exception("output of request %d could not be delivered", output.id)


def _ending(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _died() -> EngineError:
    return EngineError("the engine stopped while it worked on the request", "try again", code="engine_unavailable")


def _unserved(request: Request, error: EngineError) -> Finished:
    return Finished(id=request.id, reason=FinishReason.ERROR, usage=_no_usage(request), error=error)


def _canceled(request: Request) -> Finished:
    return Finished(id=request.id, reason=FinishReason.ABORT, usage=_no_usage(request))


def _no_usage(request: Request) -> Usage:
    return Usage(prompt_tokens=len(request.prompt))
