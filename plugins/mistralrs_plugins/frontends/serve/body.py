"""Reads a request's body: how much, how fast, which type, and JSON without surprises."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NoReturn, TypeVar

from fastapi import Request

from mistralrs.api.requests import RequestModel, parse
from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.service import Service

BodyT = TypeVar("BodyT", bound=RequestModel)

ON_THREAD_BYTES = 32 << 10
MAX_DEPTH = 64
MAX_BYTES_READ = 256 << 20
"""Bytes of all bodies that are being read at a time."""
WAIT = {"retry-after": "1"}
HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that stands for half a character, if it is not followed by the other half."""


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


async def read_body(request: Request, service: Service) -> bytes:
    """The whole body. Raises :class:`HttpError` 408, 413 or 415 as soon as it is clear that it cannot be taken."""
    config = service.config
    limit = int(config.max_body_mb * (1 << 20))
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise HttpError(415, f"content-type must be application/json, not {media[:60] or 'empty'!r}", close=True)
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


def parse_object(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises :class:`RequestError` for anything else, and for what JSON parsers disagree about."""
    try:
        text = content.decode("utf-8")
        found = json.loads(text, parse_constant=_refuse_constant, parse_float=_float, object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise _bad_json("it is not UTF-8") from None
    except RecursionError:
        raise _bad_json("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _bad_json(f"{error.msg} at character {error.pos}") from None
    except ValueError as error:  # from the functions below, and for integers of thousands of digits
        raise _bad_json(str(error).partition(";")[0]) from None
    if not isinstance(found, dict):
        raise _bad_json("it must be an object")
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(found):
        raise _bad_json(f"it is nested more than {MAX_DEPTH} levels deep")
    if HALF_PAIR.search(text) and any(map(_is_broken, _strings(found))):
        raise _bad_json("a string holds half of a surrogate pair, which is not a character")
    return found


def _bad_json(reason: str) -> RequestError:
    return RequestError(f"the body is not usable JSON: {reason}", code="invalid_json")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is out of range")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:60]!r} is given twice")
    return found


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = (item.values() if isinstance(item, dict) else item for item in level)
        level = [each for items in inside for each in items if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _strings(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
