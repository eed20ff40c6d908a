"""``/v1/chat/completions``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from mistralrs.api.openai.schema import ChatBody
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.openai.chat import ChatShape
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.reply import begin, reply
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()


@router.post("/v1/chat/completions", **documented(ChatBody, "Continue a conversation", stream=True))
async def chat_completions(request: Request, body: Annotated[ChatBody, Depends(body_of(ChatBody))]) -> Response:
    """Continue a conversation, in one piece or as a stream of chunks."""
    service: Service = request.app.state.service
    model = service.model(request, body.model)
    engine = model.engine
    sampling = engine.sampling(body.options())
    conversation = body.conversation()

    async def prompts() -> list[tuple[int, ...]]:
        return [await engine.chat_prompt(conversation)]

    ticket, generation = await begin(request, service, model, body, sampling=sampling, answers=body.n, prompts=prompts)
    record = service.recorder(model, body)
    shape = ChatShape(engine, sampling, body.n, include_usage=body.include_usage, record=record)
    return await reply(request, service, ticket, generation, shape, stream=body.stream)
