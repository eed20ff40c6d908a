"""``/v1/messages`` and ``/v1/messages/count_tokens``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from mistralrs_plugins.frontends.serve.anthropic.messages import MessageShape
from mistralrs_plugins.frontends.serve.anthropic.schema import CountBody, MessagesBody
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.reply import begin, reply
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()


@router.post("/v1/messages", **documented(MessagesBody, "Continue a conversation (Anthropic)", stream=True))
async def messages(request: Request, body: Annotated[MessagesBody, Depends(body_of(MessagesBody))]) -> Response:
    """Continue a conversation, in one piece or as a stream of events."""
    service: Service = request.app.state.service
    model = service.model(request, body.model)
    engine = model.engine
    sampling = engine.sampling(body.options())
    conversation = body.conversation(truncate=body.truncate_sequence)

    async def prompts() -> list[tuple[int, ...]]:
        return [await engine.chat_prompt(conversation)]

    ticket, generation = await begin(request, service, model, body, sampling=sampling, answers=1, prompts=prompts)
    shape = MessageShape(engine, sampling, len(generation.prompts[0]), service.recorder(model, body))
    return await reply(request, service, ticket, generation, shape, stream=body.stream)


@router.post("/v1/messages/count_tokens", **documented(CountBody, "Count the tokens of a conversation"))
async def count_tokens(request: Request, body: Annotated[CountBody, Depends(body_of(CountBody))]) -> dict[str, int]:
    """The size of the prompt."""
    service: Service = request.app.state.service
    model = service.model(request, body.model)
    with service.text_place():
        return {"input_tokens": len(await model.engine.chat_prompt(body.conversation()))}
