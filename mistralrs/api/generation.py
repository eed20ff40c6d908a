"""Answers that are made together, as asyncio reads them: batches of whatever is new."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from mistralrs.engine.request import Abort, Finished, Tokens

AnswerOutput = Tokens | Finished
"""What the engine says about a text that it writes."""
MAX_BATCH = 256
"""Outputs handed on at a time: a reader that fell behind must not keep the loop busy."""
AtOnce = Callable[[int, Tokens], bool]
"""Takes tokens of an answer in the moment that they come, or returns False."""


class Generation:
    """Answers that are made together: ``count`` of them, told apart by their index.

    ``prompts`` are the token ids of each prompt; the answers 0 to n-1 belong to the first, and so on.
    """

    def __init__(self, prompts: Sequence[tuple[int, ...]], count: int) -> None:
        self.prompts = prompts
        self.count = count
        self._ids: list[int] = []
        self._submit: Callable[[Abort], None] = lambda message: None
        self._new: deque[tuple[int, AnswerOutput]] = deque()
        self._open = count
        self._waiter: asyncio.Future[None] | None = None
        self._at_once: AtOnce = _leave
        self._taken = 0
        self._failure: Exception | None = None

    def start(self, ids: Sequence[int], submit: Callable[[Abort], None]) -> None:
        """Say how the answers can be stopped."""
        self._ids = list(ids)
        self._submit = submit

    def take(self, index: int, output: AnswerOutput) -> None:
        """Take in output of one answer; on the loop's thread."""
        if self._waiter is None:
            self._new.append((index, output))
        elif self._new or not isinstance(output, Tokens) or not self._takes_at_once(index, output):
            self._new.append((index, output))
            _wake(self._waiter)

    def _takes_at_once(self, index: int, output: Tokens) -> bool:
        try:
            taken = self._at_once(index, output)
        except Exception as error:  # the reader's, who is told when it gets the output
            self._failure, taken = error, False
        self._taken += taken
        return taken

    async def first(self, timeout: float) -> None:
        """Wait until there is any output, at most ``timeout`` seconds. Raises the error of an answer that has none."""
        await self._wait(timeout)
        for _, output in self._new:
            if isinstance(output, Tokens):
                return
            raise_error(output)

    async def batches(
        self, pause: float | None = None, at_once: AtOnce | None = None
    ) -> AsyncIterator[list[tuple[int, AnswerOutput]]]:
        """What came since the last batch, until each answer had its Finished.

        With ``pause``, a batch is empty when nothing has come for so many seconds, or for twice as many. Tokens that
        come while the reader waits for a batch are in none if ``at_once`` takes them: that spares them a round of the
        loop. What it raises is raised here.
        """
        self._at_once = at_once or _leave
        while self._open:
            await self._wait(pause)
            batch = [self._new.popleft() for _ in range(min(len(self._new), MAX_BATCH))]
            self._open -= sum(isinstance(output, Finished) for _, output in batch)
            yield batch

    async def _wait(self, seconds: float | None) -> None:
        """Wait until there is output, for so long at most. asyncio.wait_for would cost a task for each token."""
        loop = asyncio.get_running_loop()
        taken = None
        while not self._new and taken != self._taken:
            taken = self._taken
            waiter = self._waiter = loop.create_future()
            timer = None if seconds is None else loop.call_later(seconds, _wake, waiter)
            try:
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        if self._failure is not None:
            raise self._failure

    def cancel(self) -> None:
        """Stop what still runs; each answer ends with its Finished."""
        for request_id in self._ids:
            self._submit(Abort(request_id))
        self._ids = []


def _leave(index: int, output: Tokens) -> bool:
    return False


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def raise_error(output: AnswerOutput) -> None:
    """Raise what an answer ended with, if it ended with an error."""
    if isinstance(output, Finished) and output.error is not None:
        raise output.error
