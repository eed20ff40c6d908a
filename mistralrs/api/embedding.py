"""Vectors and scores that are made together, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mistralrs.engine.request import Abort, Embedded, EngineOutput, Finished, FinishReason
from mistralrs.errors import EngineError

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmbedText:
    """Token ids of a text, or of two of which the latter begins at ``second``."""

    ids: tuple[int, ...]
    second: int | None = None


class Embeddings:
    """What ``texts`` are turned into: await :meth:`values`, or :meth:`cancel` it."""

    def __init__(self, texts: Sequence[EmbedText]) -> None:
        self.texts = texts
        self._found: dict[int, Vector] = {}
        self._ids: list[int] = []
        self._submit: Callable[[Abort], None] = lambda message: None
        self._open = len(texts)
        self._error: Exception | None = None
        self._ended = asyncio.Event()

    def start(self, ids: Sequence[int], submit: Callable[[Abort], None]) -> None:
        """Say how the work can be stopped."""
        self._ids = list(ids)
        self._submit = submit

    def take(self, index: int, output: EngineOutput) -> None:
        """Take in output about one text; on the loop's thread."""
        if isinstance(output, Embedded):
            self._found[index] = output.values
        elif isinstance(output, Finished):
            self._open -= 1
            self._error = self._error or output.error
            if output.reason is FinishReason.ABORT and self._error is None:
                self._error = EngineError("the request was canceled", code="engine_stopped")
            if self._error is not None or not self._open:
                self._ended.set()

    async def values(self) -> list[Vector]:
        """float32 ``[width]`` of each text. Raises the error of the first one that failed."""
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        return [self._found[index] for index in range(len(self.texts))]

    def cancel(self) -> None:
        """Stop what has not ended."""
        for request_id in self._ids:
            self._submit(Abort(request_id))
        self._ids = []
