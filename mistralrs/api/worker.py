"""The engine's process: ``python -m mistralrs.api.worker DESCRIPTOR``, started by :mod:`mistralrs.api.process`.

It makes an engine from the recipe that comes first over the socket, then passes messages between the two. It ends
when its owner says so or is gone; signals are the owner's business.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from mistralrs.api.recipe import HEARTBEAT_SECONDS, EngineRecipe, FromEngine, LoadFailed, Ready, Report, ToEngine
from mistralrs.engine.request import EngineOutput, Request, Shutdown
from mistralrs.errors import EngineError, MistralrsError

if TYPE_CHECKING:
    from mistralrs.engine.thread import EngineThread

log = logging.getLogger("mistralrs.worker")

CLOSE_SECONDS = 5.0
MAX_REPORT = 1024


def open_model(*arguments: Any) -> EngineThread:
    """Load a model as :meth:`LocalEngine.open` does. The arguments are those of :func:`model_recipe`, in its order."""
    from mistralrs.api.engine import LocalEngine
    from mistralrs.engine.thread import EngineThread
    from mistralrs.loading.templates.renderer import renderer
    from mistralrs.plugin.host import PluginHost

    policy, selection, runtime, paged, seed = arguments
    engine = LocalEngine.open(PluginHost(policy), selection, runtime, paged, seed=seed)
    renderer.close()  # the owner renders
    if not isinstance(engine.loop, EngineThread):
        raise TypeError("a local engine runs on a thread")
    return engine.loop


class Worker:
    """Passes messages between the socket and the engine's thread."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._outbox: SimpleQueue[EngineOutput | None] = SimpleQueue()

    def run(self) -> None:
        """Make the engine, then serve until a Shutdown. Raises EOFError or OSError when the owner is gone."""
        engine = self._make(self._connection.recv())
        if engine is None:
            return
        self._send(Ready())
        reporter = threading.Thread(target=self._report, args=(engine,), name="reporter", daemon=True)
        reporter.start()
        while not isinstance(message := self._receive(), Shutdown):
            engine.submit(message, self._outbox.put if isinstance(message, Request) else None)
        engine.close(CLOSE_SECONDS)
        self._outbox.put(None)
        reporter.join(CLOSE_SECONDS)

    def _make(self, recipe: EngineRecipe) -> EngineThread | None:
        sys.path[:0] = recipe.path
        try:
            engine: EngineThread = recipe.make.load()(*recipe.arguments)
        except MistralrsError as error:
            self._send(LoadFailed(error))
        except Exception as error:
            log.exception("the model could not be loaded")
            self._send(LoadFailed(EngineError(f"loading the model failed with a {type(error).__name__}")))
        else:
            return engine
        return None

    def _receive(self) -> Any:
        message: ToEngine = self._connection.recv()
        return message

    def _send(self, message: FromEngine) -> None:
        self._connection.send(message)

    def _report(self, engine: EngineThread) -> None:
        """Send what the engine says as it comes, all there is at once; and its counters when it says nothing."""
        try:
            while True:
                outputs = self._collect()
                ended = None in outputs
                said = tuple(output for output in outputs if output is not None)
                self._send(Report(outputs=said, stats=engine.stats))
                if ended:
                    return
        except OSError:
            os._exit(0)  # the owner is gone; a step that is running would keep the process for long

    def _collect(self) -> list[EngineOutput | None]:
        outputs: list[EngineOutput | None] = []
        with contextlib.suppress(Empty):
            outputs.append(self._outbox.get(timeout=HEARTBEAT_SECONDS))
            while len(outputs) < MAX_REPORT:
                outputs.append(self._outbox.get_nowait())
        return outputs


def main() -> None:
    """Run one worker over the socket whose descriptor is the only argument."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # What libraries print must not get into the owner's output.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with contextlib.suppress(EOFError, OSError):
        Worker(Connection(int(sys.argv[1]))).run()
    sys.stderr.flush()
    os._exit(0)  # the engine's threads have nothing left to do; a hanging step would keep the process


if __name__ == "__main__":
    main()
