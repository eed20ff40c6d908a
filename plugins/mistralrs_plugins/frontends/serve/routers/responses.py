"""``/v1/responses``: make, look up, cancel and forget responses."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from mistralrs.api.asynchronous import Generation
from mistralrs.api.openai.schema import conversation_request
from mistralrs.api.requests import ChatMessage, ChatRequest
from mistralrs.errors import MistralrsError, RequestError
from mistralrs_plugins.frontends.serve.admission import Ticket
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.errors import HttpError, as_http_error
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.paging import page
from mistralrs_plugins.frontends.serve.reply import begin, events, reply, whole
from mistralrs_plugins.frontends.serve.responses.items import listed_items
from mistralrs_plugins.frontends.serve.responses.journal import Journal
from mistralrs_plugins.frontends.serve.responses.schema import ResponsesBody
from mistralrs_plugins.frontends.serve.responses.shape import CANCELLED, ResponseShape
from mistralrs_plugins.frontends.serve.responses.store import ResponseStore, Stored
from mistralrs_plugins.frontends.serve.service import Service, tenant
from mistralrs_plugins.frontends.serve.stream import EventStream

log = logging.getLogger("mistralrs.serve")
router = APIRouter()
PATH = "/v1/responses/{response_id}"
_NUMBER = re.compile(r"-1|[0-9]{1,9}")


@router.post("/v1/responses", **documented(ResponsesBody, "Continue a conversation (Responses)", stream=True))
async def create(request: Request, body: Annotated[ResponsesBody, Depends(body_of(ResponsesBody))]) -> Response:
    """Continue a conversation: in one piece, as a stream of events, or in the background."""
    service: Service = request.app.state.service
    store, owner = service.responses, tenant(request)
    model = service.model(request, body.model)
    engine = model.engine
    sampling = engine.sampling(body.options())
    earlier = store.previous(body.previous_response_id, owner) if body.previous_response_id else ()
    given = _messages(body)
    conversation = _conversation(body, (*earlier, *given))

    async def prompts() -> list[tuple[int, ...]]:
        return [await engine.chat_prompt(conversation)]

    ticket, generation = await begin(
        request, service, model, body, sampling=sampling, answers=1, prompts=prompts, truncate=body.truncates
    )

    def ended(shape: ResponseShape) -> None:
        stored.response, stored.ticket = shape.response(), None
        stored.messages = (*earlier, *given, ChatMessage(role="assistant", content=shape.text))
        if (body.background and store.holds(stored)) or (body.store and not body.background):
            store.put(stored)

    shape = ResponseShape(engine, sampling, body, service.recorder(model, body), ended)
    stored = Stored(owner, shape.response(), listed_items(body.input), (*earlier, *given), ticket)
    if not body.background:
        return await reply(request, service, ticket, generation, shape, stream=body.stream)
    stored.journal = Journal() if body.stream else None
    store.put(stored)
    service.spawn(_work(ticket, generation, shape, stored, store))
    return _followed(stored.journal) if stored.journal else JSONResponse(stored.response)


async def _work(
    ticket: Ticket, generation: Generation, shape: ResponseShape, stored: Stored, store: ResponseStore
) -> None:
    """Make a response that nobody waits for; its events are kept where somebody may follow them."""
    journal = stored.journal
    try:
        if journal is None:
            await whole(ticket, generation, shape)
        else:
            async for piece in events(ticket, generation, shape):
                journal.add(piece)
    except Exception as error:
        if not isinstance(error, HttpError | MistralrsError):
            log.exception("a response failed in the background")
        shape.fail(as_http_error(error))
    finally:
        if journal is not None:
            journal.close()
        if store.holds(stored):
            store.put(stored)  # with the events that came last
        generation.cancel()
        ticket.give_back()


def _followed(journal: Journal, after: int = -1) -> EventStream:
    """The events of a response; a client that goes away costs it nothing."""
    follower = journal.follow(after)
    return EventStream(follower.events(), cancel=follower.stop, done=follower.stop)


def _messages(body: ResponsesBody) -> tuple[ChatMessage, ...]:
    if isinstance(body.input, str):
        return (ChatMessage(role="user", content=body.input),)
    return tuple(item.message for item in body.input)


def _conversation(body: ResponsesBody, messages: tuple[ChatMessage, ...]) -> ChatRequest:
    """The conversation with its instructions, which hold for one response only."""
    told = (ChatMessage(role="system", content=body.instructions),) if body.instructions else ()
    return conversation_request(
        (*told, *messages),
        enable_thinking=body.enable_thinking,
        reasoning_effort=body.effort,
        template_inputs=body.chat_template_kwargs,
        truncate=body.truncates,
    )


@router.get(PATH, **documented(None, "A response that was kept", stream=True))
async def retrieve(request: Request, response_id: str) -> Response:
    """A response as it is now; with ``stream``, its events behind ``starting_after`` and those to come."""
    stored = _store(request).get(response_id, tenant(request))
    if request.query_params.get("stream", "false").lower() in ("false", "0"):
        return JSONResponse(stored.response)
    if stored.journal is None:
        raise RequestError("only a response made with background and stream can be streamed again", param="stream")
    after = request.query_params.get("starting_after", "-1")
    if not _NUMBER.fullmatch(after):
        raise RequestError("must be the sequence_number of an event", param="starting_after")
    return _followed(stored.journal, int(after))


@router.delete(PATH, **documented(None, "Forget a response"))
async def delete(request: Request, response_id: str) -> dict[str, Any]:
    """Forget a response, which ends if it is still being made."""
    stored = _store(request).remove(response_id, tenant(request))
    _stop(stored)
    return {"id": response_id, "object": "response", "deleted": True}


@router.post(PATH + "/cancel", **documented(None, "Stop a response in the background"))
async def cancel(request: Request, response_id: str) -> dict[str, Any]:
    """Stop a response that is made in the background; one that has ended is returned as it is."""
    stored = _store(request).get(response_id, tenant(request))
    if not stored.response["background"]:
        raise RequestError("only a response that is made in the background can be cancelled", param="response_id")
    _stop(stored)
    while stored.ticket is not None:
        await asyncio.sleep(0.01)
    return stored.response


@router.get(PATH + "/input_items", **documented(None, "The input of a response"))
async def input_items(request: Request, response_id: str) -> dict[str, Any]:
    """The items of one response's input, the last of them first unless ``order`` is ``asc``."""
    return page(request, _store(request).get(response_id, tenant(request)).items)


def _store(request: Request) -> ResponseStore:
    service: Service = request.app.state.service
    return service.responses


def _stop(stored: Stored) -> None:
    if stored.ticket is not None:
        stored.ticket.end(HttpError(499, "the response was cancelled", CANCELLED))
