"""The metrics for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()


@router.get("/metrics", summary="Metrics in the text format of Prometheus")
async def metrics(request: Request) -> Response:
    """Everything that is counted."""
    service: Service = request.app.state.service
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
