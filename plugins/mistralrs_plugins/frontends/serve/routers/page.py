"""``/ui``: the web page. Its files are open to everybody: browsers send no key with them, and they hold no secret."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.page.assets import INDEX, assets

router = APIRouter()

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' blob:",  # attachments, which only the page's own code can make
        "media-src 'self' blob:",
        "frame-src 'none'",
        "object-src 'none'",
        "worker-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify",
    )
)
HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@router.get("/ui", include_in_schema=False)
async def enter() -> Response:
    """Send the browser to the page, whose files are named relative to it: so it works behind a proxy's prefix."""
    return RedirectResponse("ui/", 308, HEADERS)


@router.get("/ui/{name:path}", include_in_schema=False)
async def file(request: Request, name: str) -> Response:
    """One file of the page. Raises 404 for others."""
    found = assets().get(name or INDEX)
    if found is None:
        raise HttpError(404, "the web page has no such file", "not_found")
    headers = {**HEADERS, "etag": found.etag}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
