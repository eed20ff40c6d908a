"""Which models there are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from mistralrs.api.process import EngineState
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.service import DEFAULT_MODEL, Service

router = APIRouter()

STATUS = {EngineState.READY: "loaded", EngineState.LOADING: "reloading", EngineState.RESTARTING: "reloading"}


@router.get("/v1/models", **documented(None, "List the models"))
async def models(request: Request) -> dict[str, Any]:
    """All names that requests may use."""
    service: Service = request.app.state.service
    return {"object": "list", "data": [_card(service, name) for name in (DEFAULT_MODEL, *service.names)]}


@router.get("/v1/models/{name:path}", **documented(None, "One model"))
async def model(request: Request, name: str) -> dict[str, Any]:
    """One of the names. Raises 404 for others."""
    service: Service = request.app.state.service
    service.check_model(name)
    return _card(service, name)


def _card(service: Service, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": service.started_at,
        "owned_by": "local",
        "status": STATUS.get(service.process.state, "unloaded"),
        "max_model_len": service.engine.model.context_length,
        "tools_available": False,
    }
