"""Which models there are, and loading and unloading them by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import StrictStr

from mistralrs.api.requests import RequestModel
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.models.model import Model
from mistralrs_plugins.frontends.serve.models.pool import DEFAULT_MODEL
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()

OUTPUTS = {"generate": "text", "embed": "embeddings", "score": "scores"}
"""What models of each task give."""


class ModelBody(RequestModel):
    """``POST /v1/models/unload``, ``/reload`` and ``/status``."""

    model_id: StrictStr


ModelId = Annotated[ModelBody, Depends(body_of(ModelBody))]


@router.get("/v1/models", **documented(None, "List the models"))
async def models(request: Request) -> dict[str, Any]:
    """All names that requests may use."""
    service: Service = request.app.state.service
    pool = service.pool
    named = [(DEFAULT_MODEL, pool.default), *((name, model) for model in pool.models for name in model.names)]
    return {"object": "list", "data": [_card(service, name, model) for name, model in named]}


@router.get("/v1/models/{name:path}", **documented(None, "One model"))
async def model(request: Request, name: str) -> dict[str, Any]:
    """One of the names. Raises 404 for others."""
    service: Service = request.app.state.service
    return _card(service, name, service.model(request, name))


@router.post("/v1/models/status", **documented(ModelBody, "Whether a model is loaded, and what it takes"))
async def status(request: Request, body: ModelId) -> dict[str, Any]:
    """Where a model is in its life."""
    service: Service = request.app.state.service
    return service.model(request, body.model_id).describe()


@router.post("/v1/models/reload", **documented(ModelBody, "Load a model"))
async def reload(request: Request, body: ModelId) -> dict[str, Any]:
    """Load a model that is not loaded; returns when it is. Raises 503 if it cannot be."""
    service: Service = request.app.state.service
    found = service.model(request, body.model_id)
    service.refuse_if_draining()
    if (problem := await service.pool.load(found)) is not None:
        raise problem
    return found.describe()


@router.post("/v1/models/unload", **documented(ModelBody, "Unload a model"))
async def unload(request: Request, body: ModelId) -> dict[str, Any]:
    """Let the answers of a model end and free its memory; returns when that is done.

    The next request for it loads it again.
    """
    service: Service = request.app.state.service
    found = service.model(request, body.model_id)
    service.refuse_if_draining()
    await service.pool.unload(found)
    return found.describe()


def _card(service: Service, name: str, model: Model) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": service.started_at,
        "owned_by": "local",
        "root": model.id,
        "status": model.status,
        "max_model_len": model.engine.model.context_length,
        "input_modalities": ["text"],
        "output_modalities": [OUTPUTS[model.engine.task]],
        "tools_available": False,
    }
