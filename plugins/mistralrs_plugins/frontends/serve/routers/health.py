"""Whether the process lives, and whether it can be sent requests."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()


@router.get("/", include_in_schema=False)
@router.get("/health", summary="Whether the server listens")
@router.get("/health/live", summary="Whether the server listens")
async def live() -> Response:
    """``OK`` as long as the process can answer; says nothing about the model."""
    return PlainTextResponse("OK")


@router.get("/health/ready", summary="Whether requests are taken", responses={503: {"description": "Not now"}})
async def ready(request: Request) -> Response:
    """Whether requests are taken: not while the model is loaded, the engine hangs, or the server shuts down."""
    service: Service = request.app.state.service
    reason = service.unready() or ("the engine does not move" if service.stalled else "")
    if reason:
        return JSONResponse({"status": "unavailable", "reason": reason}, 503, {"retry-after": "1"})
    return JSONResponse({"status": "ready"})
