"""Streams of chat answers, as OpenAI has them."""

from __future__ import annotations

import json

from mistralrs.api.asynchronous import AnswerOutput, AsyncEngine, SamplingParams, Tokens
from mistralrs.api.openai.answers import FINGERPRINT, ChatAnswers, Record, encode
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.reply import DONE, event


class ChatShape(ChatAnswers):
    """Chat answers, in one piece or in chunks."""

    def __init__(
        self, engine: AsyncEngine, sampling: SamplingParams, count: int, *, include_usage: bool, record: Record
    ) -> None:
        super().__init__(engine, sampling, count, record)
        self._include_usage = include_usage
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        # What all chunks begin with is encoded once: only index and delta differ.
        self._head = encode({**head, "system_fingerprint": FINGERPRINT})[:-1]
        self._no_usage = b',"usage":null}' if include_usage else b"}"

    def begin(self) -> bytes:
        """The role, for each answer."""
        delta = b'{"role":"assistant","content":"","refusal":null}'
        return b"".join(self._chunk(index, delta) for index in range(len(self.parts)))

    def add(self, index: int, output: AnswerOutput) -> bytes:
        """A chunk with the new text, or with the reason of the end."""
        if not isinstance(output, Tokens):
            self.finish(index, output)
            return self._chunk(index, b"{}", reason=json.dumps(output.reason.value).encode())
        new = self.take(index, output)
        if not output.text and not new:
            return b""
        logprobs = encode({"content": self.entries(new), "refusal": None}) if self.with_logprobs else b"null"
        return self._chunk(index, b'{"content":' + json.dumps(output.text).encode() + b"}", logprobs)

    def _chunk(self, index: int, delta: bytes, logprobs: bytes = b"null", reason: bytes = b"null") -> bytes:
        choice = b'{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}' % (index, delta, logprobs, reason)
        return event(self._head + b',"choices":[' + choice + b"]" + self._no_usage)

    def end(self) -> bytes:
        """What it cost, if asked for, and the mark of the end."""
        if not self._include_usage:
            return DONE
        return event(self._head + b',"choices":[],"usage":' + encode(self.usage()) + b"}") + DONE

    def error(self, error: HttpError) -> bytes:
        """The error, then the mark of the end."""
        return event(encode(error.openai())) + DONE
