"""``/v1/chat/completions``."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from mistralrs.api.asynchronous import AsyncEngine, EngineOutput, SamplingParams, Tokens
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.openai.schema import ChatBody
from mistralrs_plugins.frontends.serve.openai.writing import DONE, FINGERPRINT, Record, Writer, encode
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.reply import event, reply
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()


class ChatShape(Writer):
    """Chat answers as OpenAI has them."""

    def __init__(
        self, engine: AsyncEngine, sampling: SamplingParams, count: int, *, include_usage: bool, record: Record
    ) -> None:
        super().__init__(engine, sampling, count, "chatcmpl-", record)
        self._with_logprobs = sampling.top_logprobs is not None
        self._include_usage = include_usage
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        # What all chunks begin with is encoded once: only index and delta differ.
        self._head = encode({**head, "system_fingerprint": FINGERPRINT})[:-1]
        self._no_usage = b',"usage":null}' if include_usage else b"}"

    def begin(self) -> bytes:
        """The role, for each answer."""
        delta = b'{"role":"assistant","content":"","refusal":null}'
        return b"".join(self._chunk(index, delta) for index in range(len(self.parts)))

    def add(self, index: int, output: EngineOutput) -> bytes:
        """A chunk with the new text, or with the reason of the end."""
        if not isinstance(output, Tokens):
            self.finish(index, output)
            return self._chunk(index, b"{}", reason=json.dumps(output.reason.value).encode())
        new = self.take(index, output)
        if not output.text and not new:
            return b""
        logprobs = encode({"content": self._entries(new), "refusal": None}) if self._with_logprobs else b"null"
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

    def whole(self) -> dict[str, Any]:
        """The answers as one object."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": [self._choice(index) for index in range(len(self.parts))],
            "usage": self.usage(),
        }

    def _choice(self, index: int) -> dict[str, Any]:
        part = self.parts[index]
        logprobs = {"content": self._entries(part.logprobs), "refusal": None} if self._with_logprobs else None
        return {
            "index": index,
            "message": {"role": "assistant", "content": part.text, "refusal": None},
            "logprobs": logprobs,
            "finish_reason": part.reason,
        }

    def _entries(self, logprobs: Any) -> list[dict[str, Any]]:
        return [{**self.logprob(own), "top_logprobs": [self.logprob(each) for each in top]} for own, top in logprobs]


@router.post("/v1/chat/completions", **documented(ChatBody, "Continue a conversation", stream=True))
async def chat_completions(request: Request, body: Annotated[ChatBody, Depends(body_of(ChatBody))]) -> Response:
    """Continue a conversation, in one piece or as a stream of chunks."""
    service: Service = request.app.state.service
    engine = service.engine
    service.check_model(body.model)
    sampling = engine.sampling(body.options())
    conversation = body.conversation()
    ticket = service.admit(body.n)
    try:
        prompt = await engine.chat_prompt(conversation)
        generation = engine.generate(
            [prompt], sampling, n=body.n, truncate=body.truncate_sequence, observe=service.metrics.watch()
        )
    except BaseException:
        ticket.give_back()
        raise
    record = service.recorder(body)
    shape = ChatShape(engine, sampling, body.n, include_usage=body.include_usage, record=record)
    return await reply(request, service, ticket, generation, shape, stream=body.stream)
