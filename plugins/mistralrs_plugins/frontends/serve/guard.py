"""Who may come in: browsers by host and origin, everybody by key. Runs before anything of a request is read."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from mistralrs.config.server import ServerConfig, is_loopback
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.stream import send_error

OPEN_PATHS = frozenset({"/", "/health", "/health/live", "/health/ready"})
PAGE = "/ui"
KEY_HEADERS = frozenset({b"authorization", b"x-api-key"})


class KeyRing:
    """API keys, as digests. Comparing takes the same time whatever is wrong with a key."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key.encode()) for key in keys]
        self._secret = secrets.token_bytes(32)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def opens(self, key: bytes) -> bool:
        """Whether ``key`` is one of them."""
        given = _digest(key)
        found = [hmac.compare_digest(given, known) for known in self._digests]  # all of them, always
        return any(found)

    def tenant(self, key: bytes) -> str:
        """A name for who has ``key``, of use in this process only: the key cannot be guessed from it."""
        return hmac.digest(self._secret, key, "sha256").hex()[:32]


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class Guard:
    """ASGI middleware that answers 401 and 403."""

    def __init__(self, app: ASGIApp, config: ServerConfig, keys: KeyRing) -> None:
        self._app = app
        self._config = config
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http" and (problem := self._problem(scope)) is not None:
            await send_error(problem, scope["path"], send)
            return
        await self._app(scope, receive, send)

    def _problem(self, scope: Scope) -> HttpError | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        host = _one(headers, b"host")
        if self._config.is_loopback and not is_loopback(_host_name(host)):
            # A name that a foreign site made to mean this machine: its pages must not get in (DNS rebinding).
            return HttpError(403, "the Host header must name this machine", "host_not_allowed", close=True)
        origin = _one(headers, b"origin")
        if origin and not self._allows(origin, host):
            return HttpError(403, "requests from this origin are not allowed", "origin_not_allowed", close=True)
        is_preflight = scope["method"] == "OPTIONS" and b"access-control-request-method" in headers
        if not self._keys or self._is_open(scope["path"]) or is_preflight:
            return None
        key = _given_key(headers)
        scope["tenant"] = self._keys.tenant(key)
        return None if self._keys.opens(key) else _unauthorized()

    def _is_open(self, path: str) -> bool:
        """Whether nobody needs a key: health, and the files of the page, to which browsers could not send one."""
        return path in OPEN_PATHS or (self._config.ui and (path == PAGE or path.startswith(f"{PAGE}/")))

    def _allows(self, origin: str, host: str) -> bool:
        allowed = self._config.cors_origin
        return "*" in allowed or origin in allowed or urlsplit(origin).netloc.lower() == host.lower()


def _one(headers: Mapping[bytes, list[bytes]], name: bytes) -> str:
    values = headers.get(name, [])
    return values[0].decode("latin-1") if len(values) == 1 else ("" if not values else "ambiguous")


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _given_key(headers: Mapping[bytes, list[bytes]]) -> bytes:
    """The one key of a request; empty when there is none, or several."""
    given = [(name, value) for name in KEY_HEADERS for value in headers.get(name, [])]
    if len(given) != 1:
        return b""
    name, value = given[0]
    if name == b"x-api-key":
        return value
    scheme, _, key = value.partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


def _unauthorized() -> HttpError:
    return HttpError(
        401,
        "a valid API key is needed: send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'",
        "invalid_api_key",
        headers={"www-authenticate": "Bearer"},
        close=True,
    )
