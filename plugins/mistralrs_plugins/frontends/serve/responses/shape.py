"""A response, whole and as a stream of events, as the Responses interface has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mistralrs.api.asynchronous import AnswerOutput, AsyncEngine, FinishReason, SamplingParams, Tokens, Usage
from mistralrs.api.openai.answers import Logprobs, Record, Writer, encode
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.reply import event
from mistralrs_plugins.frontends.serve.responses.items import new_id
from mistralrs_plugins.frontends.serve.responses.schema import ResponsesBody

CANCELLED = "response_cancelled"
ERROR_CODES = {429: "rate_limit_exceeded", 400: "invalid_prompt"}
"""Codes that clients know; everything else is a server_error."""


class ResponseShape(Writer):
    """One response. ``on_end`` gets it when it has ended, however it has."""

    def __init__(
        self,
        engine: AsyncEngine,
        sampling: SamplingParams,
        body: ResponsesBody,
        record: Record,
        on_end: Callable[[ResponseShape], None],
    ) -> None:
        super().__init__(engine, sampling, 1, "resp_", record)
        self.id = new_id("resp_")
        self._item_id = new_id("msg_")
        self._sampling = sampling
        self._body = body
        self._on_end = on_end
        self._sequence = 0
        self._failure: dict[str, str] | None = None
        self._cancelled = False

    @property
    def text(self) -> str:
        """The answer so far."""
        return self.parts[0].text

    @property
    def status(self) -> str:
        """How far the response is."""
        part = self.parts[0]
        if self._failure is not None:
            return "cancelled" if self._cancelled else "failed"
        if part.reason is None:
            return "in_progress"
        return "incomplete" if part.reason is FinishReason.LENGTH else "completed"

    def begin(self) -> bytes:
        """The response without an answer, and the start of its one text."""
        response = self.response(with_output=False)
        place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        return (
            self._event("response.created", response=response)
            + self._event("response.in_progress", response=response)
            + self._event("response.output_item.added", output_index=0, item=self._item("in_progress", []))
            + self._event("response.content_part.added", **place, part=self._part("", []))
        )

    def add(self, index: int, output: AnswerOutput) -> bytes:
        """A delta with the new text."""
        if not isinstance(output, Tokens):
            self.finish(index, output)
            return b""
        new = self.take(index, output)
        if not output.text and not new:
            return b""
        return self._text_event("response.output_text.delta", delta=output.text, logprobs=self._entries(new))

    def end(self) -> bytes:
        """The end of the text, of its item, and of the response."""
        part, logprobs = self.parts[0], self._entries(self.parts[0].logprobs)
        place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        events = (
            self._text_event("response.output_text.done", text=part.text, logprobs=logprobs)
            + self._event("response.content_part.done", **place, part=self._part(part.text, logprobs))
            + self._event("response.output_item.done", output_index=0, item=self._output()[0])
            + self._event(f"response.{self.status}", response=self.response())
        )
        self._on_end(self)
        return events

    def error(self, error: HttpError) -> bytes:
        """The event of a response that failed."""
        self.fail(error)
        return self._event("response.failed", response=self.response())

    def fail(self, error: HttpError) -> None:
        """End the response with an error, or as one that was cancelled."""
        self._cancelled = error.code == CANCELLED
        self._failure = {"code": ERROR_CODES.get(error.status, "server_error"), "message": error.message}
        self._on_end(self)

    def whole(self) -> dict[str, Any]:
        """The response as one object."""
        self._on_end(self)
        return self.response()

    def response(self, *, with_output: bool = True) -> dict[str, Any]:
        """The response as it is now."""
        body, sampling = self._body, self._sampling
        status = self.status
        has_answer = with_output and (self.parts[0].reason is not None or bool(self.text))
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "background": body.background,
            "error": None if self._cancelled else self._failure,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": body.instructions,
            "max_output_tokens": body.limit,
            "metadata": body.metadata or {},
            "model": self.model,
            "output": self._output() if has_answer else [],
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "previous_response_id": body.previous_response_id,
            "reasoning": {"effort": _openai_effort(body.effort), "summary": None},
            "safety_identifier": body.safety_identifier,
            "prompt_cache_key": body.prompt_cache_key,
            "service_tier": "default",
            "store": body.store,
            "temperature": sampling.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": sampling.top_logprobs or 0,
            "top_p": sampling.top_p,
            "truncation": "auto" if body.truncates else "disabled",
            "usage": _usage(self.parts[0].usage),
            "user": body.user,
        }

    def _output(self) -> list[dict[str, Any]]:
        status = "completed" if self.status == "completed" else "incomplete"
        return [self._item(status, [self._part(self.text, self._entries(self.parts[0].logprobs))])]

    def _item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": self._item_id, "type": "message", "role": "assistant", "status": status, "content": content}

    def _part(self, text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}

    def _entries(self, logprobs: Logprobs) -> list[dict[str, Any]]:
        if not self._body.with_logprobs:
            return []
        return [{**self.logprob(own), "top_logprobs": [self.logprob(each) for each in top]} for own, top in logprobs]

    def _text_event(self, name: str, **fields: Any) -> bytes:
        return self._event(name, item_id=self._item_id, output_index=0, content_index=0, **fields)

    def _event(self, name: str, **fields: Any) -> bytes:
        data = encode({"type": name, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return event(data, name.encode())


def _openai_effort(effort: str | None) -> str | None:
    return "none" if effort == "off" else effort


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
