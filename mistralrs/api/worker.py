"""The engine's process: ``python -m mistralrs.api.worker IN OUT``, started by :mod:`mistralrs.api.process`.

It makes an engine from the recipe that comes first through the pipe IN, then passes messages between the two. It ends
when its owner says so or is gone; signals are the owner's business.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import select
import signal
import sys
import threading
from collections import deque
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from mistralrs.api.frames import send
from mistralrs.api.recipe import HEARTBEAT_SECONDS, EngineRecipe, FromEngine, LoadFailed, Ready, ToEngine, light
from mistralrs.engine.request import EngineOutput, Finished, Request, Shutdown
from mistralrs.errors import EngineError, MistralrsError

if TYPE_CHECKING:
    from mistralrs.engine.thread import EngineThread

log = logging.getLogger("mistralrs.worker")

CLOSE_SECONDS = 5.0


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
    """Passes messages between the owner and the engine's thread.

    The engine's thread sends what it said itself, at the end of its step: another thread would get the interpreter
    only in the middle of the next step, when all processors are taken. An owner that does not read stops the engine.
    """

    def __init__(self, inbox: Connection[Any, Any], outbox: int) -> None:
        self._from_owner, self._to_owner = inbox, outbox
        self._outbox: deque[EngineOutput] = deque()
        self._sending = threading.Lock()
        self._ended = threading.Event()

    def run(self) -> None:
        """Make the engine, then serve until a Shutdown. Raises EOFError or OSError when the owner is gone."""
        engine = self._make(self._from_owner.recv())
        if engine is None:
            return
        gc.freeze()  # the model stays as long as the process
        self._send(Ready())
        engine.said = lambda: self._report(engine)
        heart = threading.Thread(target=self._beat, args=(engine,), name="heart", daemon=True)
        heart.start()
        while not isinstance(message := self._receive(), Shutdown):
            engine.submit(message, self._outbox.append if isinstance(message, Request) else None)
        engine.close(CLOSE_SECONDS)
        self._ended.set()
        heart.join(CLOSE_SECONDS)

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
        message: ToEngine = self._from_owner.recv()
        return message

    def _send(self, message: FromEngine) -> None:
        send(self._to_owner, message)

    def _report(self, engine: EngineThread, *, always: bool = False) -> None:
        """Send what the engine has said, with its counters where an answer has ended or ``always``."""
        with self._sending:
            outputs = [light(self._outbox.popleft()) for _ in range(len(self._outbox))]
            counted = always or Finished in map(type, outputs)
            if not outputs and not counted:
                return
            try:
                self._send((outputs, engine.stats if counted else None))
            except OSError:
                os._exit(0)  # the owner is gone; a step that is running would keep the process for long

    def _beat(self, engine: EngineThread) -> None:
        """Tell the counters, whatever the engine does, until the end."""
        ended = False
        while not ended:
            ended = self._ended.wait(HEARTBEAT_SECONDS)
            self._report(engine, always=True)


def _end_with_owner(inbox: int) -> None:
    """End when the other end of the pipe is closed, even in the middle of a load: its owner may have been killed."""
    if hasattr(select, "poll"):
        hangup = select.poll()
        hangup.register(inbox, 0)  # a hang-up is always told
        hangup.poll()
        os._exit(0)


def main() -> None:
    """Run one worker over the two pipes whose descriptors are the arguments."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # What libraries print must not get into the owner's output.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with contextlib.suppress(EOFError, OSError):
        inbox, outbox = (int(argument) for argument in sys.argv[1:])
        threading.Thread(target=_end_with_owner, args=(inbox,), name="owner", daemon=True).start()
        Worker(Connection(inbox, writable=False), outbox).run()
    sys.stderr.flush()
    os._exit(0)  # the engine's threads have nothing left to do; a hanging step would keep the process


if __name__ == "__main__":
    main()
