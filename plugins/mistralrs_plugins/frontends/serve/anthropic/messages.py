"""Messages as Anthropic has them, in one piece or as events."""

from __future__ import annotations

from typing import Any

from mistralrs.api.asynchronous import AnswerOutput, AsyncEngine, FinishReason, SamplingParams, Tokens
from mistralrs.api.openai.answers import Record, Writer, encode
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.reply import event


class MessageShape(Writer):
    """One answer as Anthropic has it. ``prompt_tokens`` is known before the engine begins."""

    def __init__(self, engine: AsyncEngine, sampling: SamplingParams, prompt_tokens: int, record: Record) -> None:
        super().__init__(engine, sampling, 1, "msg_", record)
        self._prompt_tokens = prompt_tokens

    def begin(self) -> bytes:
        """``message_start`` and the start of the one text block."""
        empty = {**self._message(), "content": [], "stop_reason": None, "stop_sequence": None}
        block = {"type": "text", "text": ""}
        return _event("message_start", message=empty) + _event("content_block_start", index=0, content_block=block)

    def add(self, index: int, output: AnswerOutput) -> bytes:
        """A delta with the new text."""
        if not isinstance(output, Tokens):
            self.finish(index, output)
            return b""
        self.take(index, output)
        if not output.text:
            return b""
        return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": output.text})

    def end(self) -> bytes:
        """The end of the block and of the message."""
        delta = {"stop_reason": self._stop_reason(), "stop_sequence": self.parts[0].stop}
        return (
            _event("content_block_stop", index=0)
            + _event("message_delta", delta=delta, usage=self._cost())
            + _event("message_stop")
        )

    def error(self, error: HttpError) -> bytes:
        """The ``error`` event."""
        return event(encode(error.anthropic()), b"error")

    def whole(self) -> dict[str, Any]:
        """The answer as one object."""
        part = self.parts[0]
        content = [{"type": "text", "text": part.text}]
        return {
            **self._message(),
            "content": content,
            "stop_reason": self._stop_reason(),
            "stop_sequence": part.stop,
        }

    def _message(self) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "role": "assistant", "model": self.model, "usage": self._cost()}

    def _cost(self) -> dict[str, int]:
        usage = self.parts[0].usage
        cached = usage.cached_tokens if usage else 0
        prompt = usage.prompt_tokens if usage else self._prompt_tokens
        return {
            "input_tokens": prompt - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": usage.completion_tokens if usage else 0,
        }

    def _stop_reason(self) -> str:
        part = self.parts[0]
        if part.reason is FinishReason.LENGTH:
            return "max_tokens"
        return "end_turn" if part.stop is None else "stop_sequence"


def _event(name: str, **fields: Any) -> bytes:
    return event(encode({"type": name, **fields}), name.encode())
