"""``/v1/completions``: text that goes on after a prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from mistralrs.api.asynchronous import AsyncEngine, EngineOutput, SamplingParams, TokenLogprob, Tokens
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.errors import HttpError, not_supported
from mistralrs_plugins.frontends.serve.openai.schema import CompletionBody
from mistralrs_plugins.frontends.serve.openai.writing import DONE, FINGERPRINT, LOWEST_LOGPROB, Record, Writer, encode
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.reply import event, reply
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()

Logprobs = Sequence[tuple[TokenLogprob, Sequence[TokenLogprob]]]


class CompletionShape(Writer):
    """Text answers as OpenAI has them. ``echoes`` are the texts of the prompts, if they are to be repeated."""

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
        super().__init__(engine, sampling, prompts * n, "cmpl-", record)
        self.prompts = prompts
        self._with_logprobs = sampling.top_logprobs is not None
        self._include_usage = include_usage
        self._echoes = [echo for echo in echoes for _ in range(n)]
        self._offsets = [len(echo) for echo in self._echoes] or [0] * (prompts * n)

    def begin(self) -> bytes:
        """The prompts, if they are to be repeated."""
        return b"".join(self._chunk(self._choice(index, echo, [])) for index, echo in enumerate(self._echoes))

    def add(self, index: int, output: EngineOutput) -> bytes:
        """A chunk with the new text, or with the reason of the end."""
        if not isinstance(output, Tokens):
            self.finish(index, output)
            return self._chunk({**self._choice(index, "", []), "finish_reason": output.reason})
        new = self.take(index, output)
        return self._chunk(self._choice(index, output.text, new)) if output.text or new else b""

    def end(self) -> bytes:
        """What it cost, if asked for, and the mark of the end."""
        return (event(encode({**self._object([]), "usage": self.usage()})) if self._include_usage else b"") + DONE

    def error(self, error: HttpError) -> bytes:
        """The error, then the mark of the end."""
        return event(encode(error.openai())) + DONE

    def whole(self) -> dict[str, Any]:
        """The answers as one object."""
        echoes = self._echoes or [""] * len(self.parts)
        self._offsets = [len(echo) for echo in echoes]
        choices = [
            {**self._choice(index, echoes[index] + part.text, part.logprobs), "finish_reason": part.reason}
            for index, part in enumerate(self.parts)
        ]
        return {**self._object(choices), "usage": self.usage()}

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        usage = {"usage": None} if self._include_usage else {}
        return event(encode({**self._object([choice]), **usage}))

    def _object(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        }

    def _choice(self, index: int, text: str, logprobs: Logprobs) -> dict[str, Any]:
        listed = self._listed(index, logprobs) if self._with_logprobs else None
        return {"index": index, "text": text, "logprobs": listed, "finish_reason": None}

    def _listed(self, index: int, logprobs: Logprobs) -> dict[str, Any]:
        """The lists of the old interface. ``text_offset`` counts characters from the beginning of the text."""
        tokens, offsets = [], []
        for own, _ in logprobs:
            tokens.append(self.text_of(own.token))
            offsets.append(self._offsets[index])
            self._offsets[index] += len(tokens[-1])
        return {
            "tokens": tokens,
            "token_logprobs": [max(own.logprob, LOWEST_LOGPROB) for own, _ in logprobs],
            "top_logprobs": [
                {self.text_of(each.token): max(each.logprob, LOWEST_LOGPROB) for each in top} for _, top in logprobs
            ],
            "text_offset": offsets,
        }


@router.post("/v1/completions", **documented(CompletionBody, "Continue a text", stream=True))
async def completions(request: Request, body: Annotated[CompletionBody, Depends(body_of(CompletionBody))]) -> Response:
    """Continue one or several texts, in one piece or as a stream of chunks."""
    service: Service = request.app.state.service
    engine = service.engine
    service.check_model(body.model)
    _refuse(body)
    sampling = engine.sampling(body.options())
    prompts = body.prompts()
    ticket = service.admit(len(prompts) * body.n)
    try:
        encoded = [await _encode(engine, prompt, truncate=body.truncate_sequence) for prompt in prompts]
        echoes = await asyncio.gather(*(_text(engine, prompt) for prompt in prompts)) if body.echo else ()
        generation = engine.generate(
            encoded, sampling, n=body.n, truncate=body.truncate_sequence, observe=service.metrics.watch()
        )
    except BaseException:
        ticket.give_back()
        raise
    shape = CompletionShape(
        engine,
        sampling,
        prompts=len(prompts),
        n=body.n,
        echoes=echoes,
        include_usage=body.include_usage,
        record=service.recorder(body),
    )
    return await reply(request, service, ticket, generation, shape, stream=body.stream)


def _refuse(body: CompletionBody) -> None:
    if body.best_of is not None and body.best_of > body.n:
        raise not_supported("best_of", "choosing the best of more answers than are returned")
    if body.echo and body.logprobs is not None:
        raise not_supported("echo", "log-probabilities of the prompt")


async def _encode(engine: AsyncEngine, prompt: str | tuple[int, ...], *, truncate: bool) -> tuple[int, ...]:
    if isinstance(prompt, tuple):
        return prompt
    return await engine.encode(prompt, add_special_tokens=True, truncate=truncate)


async def _text(engine: AsyncEngine, prompt: str | tuple[int, ...]) -> str:
    return prompt if isinstance(prompt, str) else await engine.decode(prompt)
