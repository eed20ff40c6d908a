"""Failures as OpenAI's clients know them: a status, and one object."""

from __future__ import annotations

from mistralrs.errors import EngineError, MistralrsError, RequestError

UNAVAILABLE = frozenset({"engine_unavailable", "engine_stopped"})
STATUS_OF_CODE = {"overloaded": 429, "model_not_found": 404}
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
}


def status_of(error: MistralrsError) -> int:
    """The HTTP status that fits a failure: the client's mistakes are below 500."""
    if isinstance(error, RequestError):
        return STATUS_OF_CODE.get(error.code, 400)
    return 503 if isinstance(error, EngineError) and error.code in UNAVAILABLE else 500


def error_object(status: int, message: str, code: str | None, param: str | None) -> dict[str, object]:
    """``{"error": {...}}`` as OpenAI has it."""
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def describe(error: MistralrsError) -> tuple[int, dict[str, object]]:
    """Status and object of a failure."""
    status = status_of(error)
    if isinstance(error, RequestError):
        return status, error_object(status, str(error), error.code, error.param or None)
    code = error.code if isinstance(error, EngineError) else "server_error"
    return status, error_object(status, error.message, code, None)
