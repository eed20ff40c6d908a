"""One answer while it is made: an iterator of text that knows in the end why it ended and what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from mistralrs.engine.request import EngineOutput, Finished, FinishReason, Tokens, Usage
from mistralrs.errors import EngineError

__all__ = ["Answer", "FinishReason", "Usage"]


class Answer:
    """Iterate it for the pieces of text as they come; then ``reason``, ``usage`` and the whole ``text`` are set.

    An answer that fails raises its error from the iteration. ``first_token_seconds`` is the time from the call that
    asked to the first piece of text. Leaving the iteration early does not stop the engine: :meth:`cancel` does.
    """

    def __init__(self, abort: Callable[[], None], on_end: Callable[[Answer], None] = lambda answer: None) -> None:
        self.text = ""
        self.reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.first_token_seconds: float | None = None
        self._abort = abort
        self._on_end = on_end
        self._asked_at = time.perf_counter()
        self._outputs: SimpleQueue[EngineOutput] = SimpleQueue()

    def deliver(self, output: EngineOutput) -> None:
        """Take in the engine's output; called on the engine's thread."""
        self._outputs.put(output)

    def __iter__(self) -> Iterator[str]:
        while self.reason is None:
            output = self._outputs.get()
            if isinstance(output, Finished):
                self._finish(output)
            elif isinstance(output, Tokens) and output.text:
                if self.first_token_seconds is None:
                    self.first_token_seconds = time.perf_counter() - self._asked_at
                self.text += output.text
                yield output.text

    def _finish(self, output: Finished) -> None:
        self.reason, self.usage = output.reason, output.usage
        self._on_end(self)
        if output.reason is FinishReason.ERROR:
            raise output.error or EngineError("the engine could not finish the answer")

    def cancel(self) -> None:
        """Stop the answer and wait for its end: text that was already made is kept in ``text``."""
        if self.reason is None:
            self._abort()
            for _ in self:
                pass
