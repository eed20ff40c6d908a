"""uvicorn's HTTP/1.1 connection, with absolute deadlines for what clients send and read, and errors in our shape.

uvicorn has a timeout for idle connections only, which every byte resets: a sender of one byte a second would keep its
connection for ever.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from mistralrs.config.server import ServerConfig
from mistralrs_plugins.frontends.serve.errors import HttpError

BODY_SLACK_SECONDS = 2.0
"""Routes that read a body answer 408 themselves; the connection is cut if that has not helped."""

LEAST_READ_BYTES = 16 << 10
"""What a client must read of an answer that waits for it, each time that its time to read is over."""


class Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()
    BODY = auto()
    NOTHING = auto()


class NotedConnection(h11.Connection):
    """Remembers the status that fits the last violation of the protocol, and bounds heads that come in one piece."""

    def __init__(self, head_bytes: int) -> None:
        super().__init__(h11.SERVER, head_bytes)
        self.violation = 400
        self._head_bytes = head_bytes

    def next_event(self) -> Any:
        """The next event, as h11 has it."""
        try:
            event = super().next_event()
            if isinstance(event, h11.Request) and _head_size(event) > self._head_bytes:
                raise h11.RemoteProtocolError("the head is too large", error_status_hint=431)
        except h11.RemoteProtocolError as error:
            self.violation = error.error_status_hint
            raise
        return event


def _head_size(request: h11.Request) -> int:
    """Bytes of a head on the wire, more or less."""
    return len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers)


class BodyWriter:
    """Puts pieces of a streamed body on the wire in the moment that they are there.

    Between two tokens of a small model the way through the layers of an application is long: they see the response
    begin and end, and what is written by them and here keeps its order. Found in the scope of a request, as ``SCOPE``.
    """

    SCOPE: ClassVar = "mistralrs.body_writer"

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._in_chunks = cycle.scope["http_version"] == "1.1" and cycle.scope["method"] != "HEAD"

    @property
    def is_free(self) -> bool:
        """Whether the body is being sent, in chunks, to a client that reads it. If not, nothing may be written."""
        cycle = self._cycle
        is_open = cycle.response_started and not cycle.response_complete and not cycle.disconnected
        return is_open and self._in_chunks and not cycle.flow.write_paused

    def write(self, piece: bytes) -> None:
        """Send one chunk; RFC 9112, section 7.1. An empty piece is none: it would end the body."""
        if piece:
            self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))


class GuardedProtocol(H11Protocol):
    """One connection. The deadlines are class attributes, set once by :func:`guarded_protocol`."""

    header_timeout: float
    body_timeout: float
    send_timeout: float
    header_bytes: int

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = self._noted = NotedConnection(self.header_bytes)
        self._application = self.app
        self.app = self._run
        self._phase = Phase.NOTHING
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        """The application, with a shorter way to the wire."""
        scope[BodyWriter.SCOPE] = BodyWriter(self.cycle)
        await self._application(scope, receive, send)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected, and must send the head of a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take in what the client sent."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        """A response is sent; the next request may be here already."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._enter(Phase.NOTHING)
        self._read_again()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client has left unread what the buffers on the way to it hold."""
        super().pause_writing()
        self._expect_reading()

    def _expect_reading(self, before: int | None = None) -> None:
        """Cut the client off that reads too little of what waits, which was ``before`` bytes a while ago."""
        waiting = self.transport.get_write_buffer_size()
        if before is not None and waiting > before - LEAST_READ_BYTES:
            self.transport.abort()  # closing would wait for the client to read the rest
        else:
            self._unread = self.loop.call_later(self.send_timeout, self._expect_reading, waiting)

    def resume_writing(self) -> None:
        """The client reads."""
        super().resume_writing()
        self._read_again()

    def _read_again(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _watch(self) -> None:
        theirs = self.conn.their_state
        if theirs is h11.SEND_BODY:
            self._enter(Phase.BODY)
        elif theirs is h11.IDLE and (self.cycle is None or self.conn.trailing_data[0]):
            self._enter(Phase.HEAD)
        else:
            self._enter(Phase.NOTHING)

    def _enter(self, phase: Phase) -> None:
        if phase is self._phase:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._phase = phase
        self._deadline = None
        if phase is Phase.HEAD:
            self._deadline = self.loop.call_later(self.header_timeout, self._head_is_late)
        elif phase is Phase.BODY:
            self._deadline = self.loop.call_later(self.body_timeout + BODY_SLACK_SECONDS, self.transport.abort)

    def _head_is_late(self) -> None:
        if not self.conn.trailing_data[0]:
            self.transport.close()  # nothing was sent, nothing is answered
            return
        message = f"the request's head did not arrive within {self.header_timeout:g} seconds"
        self._refuse(HttpError(408, message, "request_timeout"))

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, or has too much of a head."""
        if self._noted.violation == 431:
            limit = f"the request's head is larger than {self.header_bytes} bytes"
            self._refuse(HttpError(431, limit, "headers_too_large"))
        else:
            self._refuse(HttpError(400, "not a valid HTTP/1.1 request", "invalid_http"))

    def _refuse(self, error: HttpError) -> None:
        """Answer without an application, and close. Says nothing in the middle of another response."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = error.body("")
            headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
            head = h11.Response(status_code=error.status, headers=[*headers, ("connection", "close")])
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def guarded_protocol(config: ServerConfig) -> type[GuardedProtocol]:
    """The protocol class for one server. Times are seconds from the first moment, not from the last byte."""
    limits = {name: getattr(config, name) for name in ("header_timeout", "body_timeout", "send_timeout")}
    return type("ServerProtocol", (GuardedProtocol,), {**limits, "header_bytes": config.max_header_kb << 10})
