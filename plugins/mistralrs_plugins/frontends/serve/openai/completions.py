"""Streams of text answers, as OpenAI has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mistralrs.api.asynchronous import AnswerOutput, AsyncEngine, SamplingParams, Tokens
from mistralrs.api.openai.answers import Record, TextAnswers, encode
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.reply import DONE, event


class CompletionShape(TextAnswers):
    """Text answers, in one piece or in chunks."""

    def __init__(
        self,
        engine: AsyncEngine,
        sampling: SamplingParams,
        *,
        prompts: int,
        n: int,
        echoes: Sequence[str] = (),
        include_usage: bool,
        record: Record,
    ) -> None:
        super().__init__(engine, sampling, prompts=prompts, n=n, echoes=echoes, record=record)
        self._include_usage = include_usage

    def begin(self) -> bytes:
        """The prompts, if they are to be repeated."""
        return b"".join(self._chunk(self.choice(index, echo, [])) for index, echo in enumerate(self.echoes))

    def add(self, index: int, output: AnswerOutput) -> bytes:
        """A chunk with the new text, or with the reason of the end."""
        if not isinstance(output, Tokens):
            self.finish(index, output)
            return self._chunk({**self.choice(index, "", []), "finish_reason": output.reason})
        new = self.take(index, output)
        return self._chunk(self.choice(index, output.text, new)) if output.text or new else b""

    def end(self) -> bytes:
        """What it cost, if asked for, and the mark of the end."""
        return (event(encode({**self.completion([]), "usage": self.usage()})) if self._include_usage else b"") + DONE

    def error(self, error: HttpError) -> bytes:
        """The error, then the mark of the end."""
        return event(encode(error.openai())) + DONE

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        usage = {"usage": None} if self._include_usage else {}
        return event(encode({**self.completion([choice]), **usage}))
