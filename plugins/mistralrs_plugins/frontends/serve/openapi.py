"""The OpenAPI document of routes that read their bodies themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mistralrs.api.requests import RequestModel

SCHEMAS: dict[str, type[RequestModel]] = {}
REF = "#/components/schemas/{model}"
STATUSES = {
    400: "A field is wrong; the message names it",
    401: "No valid API key",
    403: "A host or origin that is not allowed",
    404: "No such model or route",
    408: "The body came too slowly",
    413: "The body is too large",
    415: "Not application/json",
    429: "All places are taken",
    500: "The engine failed",
    503: "The model is being loaded, or the server is shutting down",
    504: "The request took longer than it may",
}


def documented(
    body: type[RequestModel] | None,
    summary: str,
    *,
    stream: bool = False,
    content: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The arguments of a route's decorator that describe it. ``content`` is a body that is not JSON, by its type."""
    good: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if stream:
        good["text/event-stream"] = {"schema": {"type": "string"}}
    responses: dict[int | str, dict[str, Any]] = {200: {"description": "The answer", "content": good}}
    responses |= {status: {"description": text, "content": _ERROR} for status, text in STATUSES.items()}
    described: dict[str, Any] = {"summary": summary, "responses": responses, "response_model": None}
    if body is not None:
        SCHEMAS[body.__name__] = body
        reference = {"$ref": REF.format(model=body.__name__)}
        content = {"application/json": {"schema": reference}}
    if content is not None:
        described["openapi_extra"] = {"requestBody": {"required": True, "content": content}}
    return described


_ERROR = {
    "application/json": {
        "schema": {"type": "object", "properties": {"error": {"type": "object"}}, "required": ["error"]},
    }
}


def install(app: FastAPI) -> None:
    """Let the document of ``app`` hold the schemas of all bodies."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(title=app.title, version=app.version, routes=app.routes)
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            for body in SCHEMAS.values():
                schema = body.model_json_schema(ref_template=REF)
                schemas |= schema.pop("$defs", {})
                schemas[body.__name__] = schema
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
