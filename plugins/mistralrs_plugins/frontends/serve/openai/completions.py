"""Streams of text answers, as OpenAI has them."""

from __future__ import annotations

from typing import Any

from mistralrs.api.asynchronous import AnswerOutput, Tokens
from mistralrs.api.openai.answers import Logprobs, TextAnswers, encode
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.reply import DONE, event


class CompletionShape:
    """Text answers, in one piece or in chunks."""

    def __init__(self, answers: TextAnswers, *, include_usage: bool) -> None:
        self._answers = answers
        self._include_usage = include_usage
        # What all chunks begin with is encoded once.
        self._head = encode(answers.completion([])).removesuffix(b"[]}")
        self._tail = b'}],"usage":null}' if include_usage else b"}]}"

    def begin(self) -> bytes:
        """The prompts, if they are to be repeated."""
        return b"".join(self._chunk(index, echo, []) for index, echo in enumerate(self._answers.echoes))

    def add(self, index: int, output: AnswerOutput) -> bytes:
        """A chunk with the new text, or with the reason of the end."""
        answers = self._answers
        if not isinstance(output, Tokens):
            answers.finish(index, output)
            return self._chunk(index, "", [], encode(output.reason.value))
        new = answers.take(index, output)
        return self._chunk(index, output.text, new) if output.text or new else b""

    def add_output(self, index: int, output: AnswerOutput) -> None:
        """Take in output of which no chunk is wanted."""
        self._answers.add_output(index, output)

    def end(self) -> bytes:
        """What it cost, if asked for, and the mark of the end."""
        if not self._include_usage:
            return DONE
        return event(self._head + b'[],"usage":' + encode(self._answers.usage()) + b"}") + DONE

    def error(self, error: HttpError) -> bytes:
        """The error, then the mark of the end."""
        return event(encode(error.openai())) + DONE

    def whole(self) -> dict[str, Any]:
        """The answers as one object."""
        return self._answers.whole()

    def _chunk(self, index: int, text: str, new: Logprobs, reason: bytes = b"null") -> bytes:
        written = index, encode(text), encode(self._answers.listed(index, new)), reason
        choice = b'[{"index":%d,"text":%b,"logprobs":%b,"finish_reason":%b' % written
        return event(self._head + choice + self._tail)
