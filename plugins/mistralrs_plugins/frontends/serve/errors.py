"""Every way a request can fail, as a status and a body in the shape its clients know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from mistralrs.api.openai.errors import error_object, status_of
from mistralrs.errors import EngineError, MistralrsError, RequestError

CLIENT_GONE = 499
"""The status in logs and metrics of requests whose client did not wait for an answer."""
ANTHROPIC_PREFIX = "/v1/messages"
RETRY = {"retry-after": "1"}
ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


@dataclass
class HttpError(Exception):
    """A refusal. ``message`` is for people, ``code`` for programs, ``param`` names the field that is wrong.

    ``close`` says that the request was not read to its end, so that the connection cannot be used again.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False

    def body(self, path: str) -> bytes:
        """The response's JSON, in Anthropic's shape on its routes and in OpenAI's elsewhere."""
        return json.dumps(self.anthropic() if path.startswith(ANTHROPIC_PREFIX) else self.openai()).encode()

    def openai(self) -> dict[str, object]:
        """``{"error": {...}}`` as OpenAI has it."""
        return error_object(self.status, self.message, self.code, self.param)

    def anthropic(self) -> dict[str, object]:
        """``{"type": "error", ...}`` as Anthropic has it."""
        default = "api_error" if self.status >= 500 else "invalid_request_error"
        kind = ANTHROPIC_TYPES.get(self.status, default)
        return {"type": "error", "error": {"type": kind, "message": self.message}}


def as_http_error(error: BaseException) -> HttpError:
    """What a client is told about ``error``: nothing about one that is not its business."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, RequestError):
        status = status_of(error)
        return HttpError(status, str(error), error.code, error.param or None, RETRY if status == 429 else {})
    if isinstance(error, EngineError):
        status = status_of(error)
        return HttpError(status, error.message, error.code, headers=RETRY if status == 503 else {})
    if isinstance(error, MistralrsError):
        return HttpError(500, error.message, "server_error")
    return HttpError(500, "internal error; the server's log says more", "internal_error")


def client_gone() -> HttpError:
    """What a client would be told that is not there any more."""
    return HttpError(CLIENT_GONE, "the client has gone", "client_gone")
