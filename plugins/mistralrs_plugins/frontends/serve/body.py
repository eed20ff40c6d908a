"""Reads a request's body: how much, how fast, which type, and JSON without surprises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from mistralrs.api.openai.json_object import parse_object
from mistralrs.api.requests import RequestModel, parse
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.service import Service

BodyT = TypeVar("BodyT", bound=RequestModel)

ON_THREAD_BYTES = 32 << 10
MAX_BYTES_READ = 256 << 20
"""Bytes of all bodies that are being read at a time."""
WAIT = {"retry-after": "1"}


def body_of(model: type[BodyT]) -> Callable[[Request], Awaitable[BodyT]]:
    """A dependency that reads the body as ``model``. It raises HttpError and RequestError."""

    async def read(request: Request) -> BodyT:
        content = await read_body(request, request.app.state.service)
        if len(content) > ON_THREAD_BYTES:  # parsing this takes long enough for others to notice
            return await asyncio.to_thread(_parse, model, content)
        return _parse(model, content)

    read.__annotations__["return"] = model
    return read


def _parse(model: type[BodyT], content: bytes) -> BodyT:
    return parse(model, parse_object(content))


async def read_body(request: Request, service: Service, wanted: str = "application/json") -> bytes:
    """The whole body, which is of the type ``wanted``.

    Raises :class:`HttpError` 408, 413 or 415 as soon as it is clear that it cannot be taken.
    """
    config = service.config
    limit = int(config.max_body_mb * (1 << 20))
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != wanted:
        raise HttpError(415, f"content-type must be {wanted}, not {media[:60] or 'empty'!r}", close=True)
    if (encoding := request.headers.get("content-encoding", "identity").lower()) != "identity":
        raise HttpError(415, f"content-encoding {encoding[:60]!r} is not supported", close=True)
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > limit:
        raise _too_large(limit)
    content = bytearray()
    try:
        async with asyncio.timeout(config.body_timeout):
            async for chunk in request.stream():
                content += chunk
                service.bytes_read += len(chunk)
                if len(content) > limit:
                    raise _too_large(limit)
                if service.bytes_read > max(MAX_BYTES_READ, limit):
                    raise HttpError(429, "too many large requests arrive at once", "overloaded", None, WAIT, close=True)
    except TimeoutError:
        message = f"the body did not arrive within {config.body_timeout:g} seconds"
        raise HttpError(408, message, "request_timeout", close=True) from None
    finally:
        service.bytes_read -= len(content)
    return bytes(content)


def _too_large(limit: int) -> HttpError:
    return HttpError(413, f"the body is larger than the limit of {limit} bytes", "request_too_large", close=True)
