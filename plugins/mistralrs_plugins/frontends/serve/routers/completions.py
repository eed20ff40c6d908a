"""``/v1/completions``: text that goes on after a prompt."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from mistralrs.api.openai.answers import TextAnswers
from mistralrs.api.openai.schema import CompletionBody
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.openai.completions import CompletionShape
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.reply import begin, reply
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()


@router.post("/v1/completions", **documented(CompletionBody, "Continue a text", stream=True))
async def completions(request: Request, body: Annotated[CompletionBody, Depends(body_of(CompletionBody))]) -> Response:
    """Continue one or several texts, in one piece or as a stream of chunks."""
    service: Service = request.app.state.service
    model = service.model(request, body.model)
    engine = model.engine
    sampling = engine.sampling(body.options())
    given = body.prompts()
    answers = len(given) * body.n

    echoes: list[str] = []

    async def prompts() -> list[tuple[int, ...]]:
        if body.echo:
            echoes.extend(await asyncio.gather(*map(engine.prompt_text, given)))
        return [await engine.text_prompt(prompt, truncate=body.truncate_sequence) for prompt in given]

    ticket, generation = await begin(request, service, model, body, sampling=sampling, answers=answers, prompts=prompts)
    record = service.recorder(model, body)
    written = TextAnswers(engine, sampling, prompts=len(given), n=body.n, echoes=echoes, record=record)
    shape = CompletionShape(written, include_usage=body.include_usage)
    return await reply(request, service, ticket, generation, shape, stream=body.stream)
