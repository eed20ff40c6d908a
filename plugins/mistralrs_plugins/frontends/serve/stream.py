"""Responses by hand: errors in one piece, and server-sent events as raw bytes.

A stream notices at once that its client has gone, gives up on one that does not read, and never outlives its request.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mistralrs_plugins.frontends.serve.errors import HttpError

ResultT = TypeVar("ResultT")

LINGER_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 10.0
KEEP_ALIVE = b": keep-alive\n\n"
EVENT_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


async def send_error(error: HttpError, path: str, send: Send, receive: Receive | None = None) -> None:
    """Answer with an error.

    If the request was not read to its end and ``receive`` is given, the rest is thrown away for a moment: closing a
    connection with unread data would make the client's system drop the answer too.
    """
    body = error.body(path)
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    if error.close:
        headers["connection"] = "close"
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    lingers = error.close and receive is not None
    await send({"type": "http.response.body", "body": body, "more_body": lingers})
    if lingers and receive is not None:
        await _discard(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(receive: Receive) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return


class ErrorResponse(Response):
    """An :class:`HttpError` as a response."""

    def __init__(self, error: HttpError) -> None:
        super().__init__(status_code=error.status)
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send_error(self._error, scope["path"], send, receive)


class EventStream(Response):
    """Sends ``events`` as they come, each of them one or more complete server-sent events.

    ``cancel`` is called when the client has gone, which one that does not read is made to: see
    :class:`.protocol.GuardedProtocol`. ``done`` is called at the end in any case.
    """

    def __init__(
        self,
        events: AsyncIterator[bytes],
        *,
        cancel: Callable[[], None],
        done: Callable[[], None],
    ) -> None:
        super().__init__(status_code=200)
        self._events = events
        self._cancel = cancel
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        watcher = asyncio.create_task(until_gone(receive, self._cancel))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": EVENT_HEADERS})
            async for event in self._events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watcher.cancel()
            self._cancel()
            self._done()


async def until_gone(receive: Receive, then: Callable[[], None]) -> None:
    """Wait for the client to go away, after its body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass
    then()


async def while_connected(request: Request, work: Awaitable[ResultT], cancel: Callable[[], None]) -> ResultT:
    """The result of ``work``; ``cancel`` is called if the client goes away meanwhile."""
    watcher = asyncio.create_task(until_gone(request.receive, cancel))
    try:
        return await work
    finally:
        watcher.cancel()
