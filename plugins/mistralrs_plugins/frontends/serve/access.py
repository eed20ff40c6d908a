"""The outermost layer: a name for each request, the access log, the HTTP metrics, and the last resort."""

from __future__ import annotations

import json
import logging
import secrets
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mistralrs.config.server import ServerConfig
from mistralrs_plugins.frontends.serve.errors import CLIENT_GONE, as_http_error
from mistralrs_plugins.frontends.serve.guard import OPEN_PATHS
from mistralrs_plugins.frontends.serve.metrics import Metrics
from mistralrs_plugins.frontends.serve.stream import send_error

log = logging.getLogger("mistralrs.serve")

MAX_ID_CHARS = 128
MAX_PATH_CHARS = 200
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


@dataclass
class Exchange:
    """One request and what became of it. ``status`` 0 means that no response was begun."""

    scope: Scope
    request_id: str
    status: int = 0

    @property
    def path(self) -> str:
        """The pattern of the route, so that no client can make up names for metrics."""
        route = self.scope.get("route")
        return str(getattr(route, "path", "unmatched"))


class Access:
    """ASGI middleware around everything else. It never touches what the client sends."""

    def __init__(self, app: ASGIApp, config: ServerConfig, metrics: Metrics) -> None:
        self._app = app
        self._config = config
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it ends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, request_id(scope))
        scope["request_id"] = exchange.request_id
        started = time.perf_counter()

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                if self._config.request_id_header:
                    message["headers"] = [*message["headers"], (b"x-request-id", exchange.request_id.encode())]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:
            log.exception("request %s failed", exchange.request_id)
            if exchange.status == 0:
                await send_error(as_http_error(error), scope["path"], send_noted)
        finally:
            self._metrics.in_flight.dec()
            self._note(exchange, time.perf_counter() - started)

    def _note(self, exchange: Exchange, seconds: float) -> None:
        status = exchange.status or CLIENT_GONE
        method = exchange.scope["method"] if exchange.scope["method"] in METHODS else "other"
        labels = (method, exchange.path, exchange.scope.get("model", ""), str(status))
        self._metrics.requests.labels(*labels).inc()
        self._metrics.duration.labels(*labels).observe(seconds)
        length = next((value for name, value in exchange.scope["headers"] if name == b"content-length"), b"")
        if length.isdigit():
            self._metrics.body_bytes.labels(*labels).observe(int(length[:18]))
        if self._config.access_log and (self._config.access_log_health or exchange.scope["path"] not in OPEN_PATHS):
            print(self._line(exchange, status, seconds), file=sys.stdout, flush=True)

    def _line(self, exchange: Exchange, status: int, seconds: float) -> str:
        scope = exchange.scope
        client = (scope.get("client") or ("-",))[0]
        entry: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "client": client,
            "method": scope["method"][:20],
            "path": scope["path"][:MAX_PATH_CHARS],
            "status": status,
            "seconds": round(seconds, 4),
            "request_id": exchange.request_id,
        }
        if self._config.access_log_format == "json":
            return json.dumps(entry)
        entry["path"] = json.dumps(entry["path"])  # what a client sends must not forge lines
        return "{time} {client} {method} {path} {status} {seconds:.4f}s {request_id}".format(**entry)


def request_id(scope: Scope) -> str:
    """The client's name for its request if it is a decent one, else a new one. Used for people only."""
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and 0 < len(given[0]) <= MAX_ID_CHARS:
        text: str = given[0].decode("latin-1")
        if text.isascii() and text.isprintable() and " " not in text:
            return text
    return f"req-{secrets.token_hex(12)}"
