"""``/docs``: the description of all routes for people."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from mistralrs_plugins.frontends.serve.docs.page import page

router = APIRouter()

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}
PACKAGE = "mistralrs_plugins.frontends.serve.docs"


@router.get("/docs", summary="All routes, as a page", response_class=HTMLResponse)
async def docs(request: Request) -> Response:
    """A page without scripts."""
    return HTMLResponse(page(request.app.openapi()), headers=HEADERS)


@router.get("/docs/style.css", include_in_schema=False)
async def style() -> Response:
    """How the page looks."""
    text = resources.files(PACKAGE).joinpath("style.css").read_text(encoding="utf-8")
    return Response(text, media_type="text/css", headers=HEADERS)
