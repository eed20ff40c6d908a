"""From a generation to a response: one JSON object, or a stream of events, in the shape of an interface."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

from fastapi import Request
from starlette.responses import Response

from mistralrs.api.asynchronous import AnswerOutput, FinishReason, Generation, SamplingParams, Tokens
from mistralrs.api.openai.fields import SampledBody
from mistralrs.errors import MistralrsError
from mistralrs_plugins.frontends.serve.admission import Ticket
from mistralrs_plugins.frontends.serve.errors import HttpError, as_http_error, client_gone
from mistralrs_plugins.frontends.serve.models.model import Model
from mistralrs_plugins.frontends.serve.protocol import BodyWriter
from mistralrs_plugins.frontends.serve.service import Service, cache_salt
from mistralrs_plugins.frontends.serve.stream import KEEP_ALIVE, KEEP_ALIVE_SECONDS, EventStream, while_connected

log = logging.getLogger("mistralrs.serve")

DONE = b"data: [DONE]\n\n"


class Shape(Protocol):
    """How an interface writes answers.

    For a stream it is told everything in order: ``begin``, outputs, then one of the ends. Otherwise it gets all
    outputs with ``add_output``, then it is asked for the ``whole``.
    """

    def begin(self) -> bytes:
        """The events before the first token."""

    def add(self, index: int, output: AnswerOutput) -> bytes:
        """Take in output of the answer ``index``; return its events."""

    def add_output(self, index: int, output: AnswerOutput) -> None:
        """Take in output of the answer ``index``, of which no events are wanted."""

    def end(self) -> bytes:
        """The events after the last one."""

    def error(self, error: HttpError) -> bytes:
        """The events that end a stream which failed."""

    def whole(self) -> dict[str, Any]:
        """The answers as one object."""


async def begin(
    request: Request,
    service: Service,
    model: Model,
    body: SampledBody,
    *,
    sampling: SamplingParams,
    answers: int,
    prompts: Callable[[], Awaitable[Sequence[tuple[int, ...]]]],
    truncate: bool | None = None,
) -> tuple[Ticket, Generation]:
    """A place for ``answers`` answers, then their start. ``prompts`` makes the prompts once there is a place."""
    model.engine.need("generate")
    ticket = await service.admit(request, model, answers)
    try:
        watch = service.watchers[model.id].watch()
        if (trace := request.scope.get("trace")) is not None:
            watch = trace.watching(model.id, sampling, watch)
        generation = model.engine.generate(
            await prompts(),
            sampling,
            n=body.n,
            truncate=body.truncate_sequence if truncate is None else truncate,
            cache_salt=cache_salt(request, body.cache_salt),
            observe=watch,
        )
    except BaseException:
        ticket.give_back()
        raise
    ticket.runs(generation)
    return ticket, generation


async def reply(
    request: Request, service: Service, ticket: Ticket, generation: Generation, shape: Shape, *, stream: bool
) -> Response:
    """The response of a generation. The ticket is given back at its end, and the engine stopped if the client goes.

    Raises what an answer failed with, as long as nothing was sent.
    """
    if stream:
        return await _stream(request, service, ticket, generation, shape)
    try:
        content = await while_connected(request, whole(ticket, generation, shape), lambda: ticket.end(client_gone()))
    finally:
        generation.cancel()
        ticket.give_back()
    return Response(json.dumps(content), media_type="application/json")


async def whole(ticket: Ticket, generation: Generation, shape: Shape) -> dict[str, Any]:
    """The answers as one object. Raises what one of them failed with."""

    def at_once(index: int, output: Tokens) -> bool:
        shape.add_output(index, output)
        return True

    async for batch in generation.batches(at_once=at_once):
        for index, output in batch:
            _check(ticket, output)
            shape.add_output(index, output)
    return shape.whole()


async def _stream(request: Request, service: Service, ticket: Ticket, generation: Generation, shape: Shape) -> Response:
    try:
        # What the engine refuses at once gets a status of its own; then the stream must begin.
        await while_connected(request, generation.first(KEEP_ALIVE_SECONDS), lambda: ticket.end(client_gone()))
    except BaseException:
        generation.cancel()
        ticket.give_back()
        raise
    return EventStream(
        events(ticket, generation, shape, KEEP_ALIVE_SECONDS, request.scope.get(BodyWriter.SCOPE)),
        cancel=generation.cancel,
        done=ticket.give_back,
    )


async def events(
    ticket: Ticket,
    generation: Generation,
    shape: Shape,
    pause: float | None = None,
    writer: BodyWriter | None = None,
) -> AsyncIterator[bytes]:
    """The events of a stream as they come, to the one that ends it; with ``pause`` a comment after so many seconds.

    Those that come while the reader waits are not among them as long as ``writer`` takes them.
    """

    def at_once(index: int, output: Tokens) -> bool:
        if writer is None or not writer.is_free:
            return False
        writer.write(shape.add(index, output))
        return True

    written: list[bytes] = []  # what came before an error in the same batch is sent before it
    try:
        yield shape.begin()
        async for batch in generation.batches(pause, at_once):
            written = [] if batch else [KEEP_ALIVE]
            for index, output in batch:
                _check(ticket, output)
                written.append(shape.add(index, output))
            if piece := b"".join(written):
                yield piece
            written = []
        yield shape.end()
    except Exception as error:
        if not isinstance(error, HttpError | MistralrsError):
            log.exception("a stream failed")
        yield b"".join(written) + shape.error(as_http_error(error))


def _check(ticket: Ticket, output: AnswerOutput) -> None:
    """Raise what the client must be told if an answer did not end by itself."""
    if isinstance(output, Tokens):
        return
    if output.error is not None:
        raise output.error
    if output.reason in (FinishReason.ABORT, FinishReason.ERROR):
        raise ticket.cut or HttpError(503, "the answer was canceled", "unavailable")


def event(data: bytes, name: bytes = b"") -> bytes:
    """One server-sent event. ``data`` is JSON, so it has no line ends."""
    return (b"event: " + name + b"\n" if name else b"") + b"data: " + data + b"\n\n"
