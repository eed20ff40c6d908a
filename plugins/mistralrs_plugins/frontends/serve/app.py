"""The application: routes, errors in one shape, and the layers around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp

import mistralrs
from mistralrs.errors import MistralrsError
from mistralrs_plugins.frontends.serve import openapi
from mistralrs_plugins.frontends.serve.access import Access
from mistralrs_plugins.frontends.serve.errors import CLIENT_GONE, HttpError, as_http_error
from mistralrs_plugins.frontends.serve.guard import Guard, KeyRing
from mistralrs_plugins.frontends.serve.routers import (
    absent,
    chat,
    completions,
    docs,
    embeddings,
    files,
    health,
    messages,
    metrics,
    models,
    page,
    responses,
    system,
    text,
)
from mistralrs_plugins.frontends.serve.service import Service
from mistralrs_plugins.frontends.serve.stream import ErrorResponse

if TYPE_CHECKING:
    from mistralrs_plugins.frontends.serve.tracing import Tracing

ROUTERS = (health, models, chat, completions, responses, messages, embeddings, text, files, system, docs, absent)
"""The modules of all routes but those that a setting switches off."""


def make_app(service: Service) -> FastAPI:
    """The routes, without the layers around them."""
    app = FastAPI(
        title="mistralrs",
        version=mistralrs.__version__,
        openapi_url="/api-doc/openapi.json",
        docs_url=None,  # its page loads scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    optional = ((metrics, service.config.metrics), (page, service.config.ui))
    for module in (*ROUTERS, *(each for each, wanted in optional if wanted)):
        app.include_router(module.router)
    for kind in (HttpError, MistralrsError, Exception):
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _gone)
    openapi.install(app)
    return app


def make_server_app(service: Service, keys: KeyRing, tracing: Tracing | None = None) -> ASGIApp:
    """The whole application, as a server runs it."""
    app: ASGIApp = make_app(service)
    config = service.config
    if config.cors_origin:
        app = CORSMiddleware(
            app,
            allow_origins=config.cors_origin,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["x-request-id"],
        )
    app = Guard(app, config, keys)
    if tracing is not None:
        app = tracing.around(app)
    return Access(app, config, service.metrics)


async def _refused(request: Request, error: Exception) -> Response:
    return ErrorResponse(as_http_error(error))


async def _unrouted(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    what = {404: "there is no such route", 405: "the route does not take this method"}.get(status, "not possible")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return ErrorResponse(HttpError(status, what, "not_found" if status == 404 else "method_not_allowed", None, headers))


async def _invalid(request: Request, error: Exception) -> Response:
    return ErrorResponse(HttpError(400, "the address or its parameters are not valid", "invalid_request"))


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)
