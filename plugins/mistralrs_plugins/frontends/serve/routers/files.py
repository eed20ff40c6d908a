"""``/v1/files``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from mistralrs.api.openai.fields import bad_field, not_supported
from mistralrs_plugins.frontends.serve.files.store import FileStore, StoredFile
from mistralrs_plugins.frontends.serve.files.upload import FORM, read_upload
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.paging import page
from mistralrs_plugins.frontends.serve.service import Service, tenant

router = APIRouter()
PATH = "/v1/files/{file_id}"
PURPOSES = ("batch", "user_data")
MOST_LISTED = 10_000
FORM_SCHEMA = {
    "type": "object",
    "required": ["file", "purpose"],
    "additionalProperties": False,
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "enum": list(PURPOSES)},
    },
}
NOT_SHOWN = {"content-disposition": "attachment", "x-content-type-options": "nosniff"}
"""So that no browser takes what somebody uploaded for a page of this server."""


def _files(request: Request) -> FileStore:
    service: Service = request.app.state.service
    return service.files


@router.post("/v1/files", **documented(None, "Upload a file", content={FORM: {"schema": FORM_SCHEMA}}))
async def upload(request: Request) -> dict[str, Any]:
    """Keep a file for a day."""
    form = await read_upload(request, request.app.state.service)
    purpose = form.fields.pop("purpose", "")
    if purpose not in PURPOSES:
        raise bad_field("purpose", f"must be {' or '.join(PURPOSES)}, not {purpose[:40]!r}")
    if form.fields:
        name = next(iter(form.fields))[:40]
        raise not_supported(name, f"the field {name!r}")
    file = StoredFile(owner=tenant(request), filename=form.filename, purpose=purpose, content=form.content)
    _files(request).add(file)
    return file.listed()


@router.get("/v1/files", **documented(None, "List the files"))
async def files(request: Request) -> dict[str, Any]:
    """Files, the newest first unless ``order`` is ``asc``; with ``purpose`` only those that have it."""
    wanted = request.query_params.get("purpose")
    found = [file.listed() for file in _files(request).of(tenant(request)) if wanted in (None, file.purpose)]
    return page(request, found, most=MOST_LISTED, usual=MOST_LISTED)


@router.get(PATH, **documented(None, "One file"))
async def file(request: Request, file_id: str) -> dict[str, Any]:
    """What is known of a file."""
    return _files(request).get(file_id, tenant(request)).listed()


@router.get(PATH + "/content", **documented(None, "The content of a file"))
async def content(request: Request, file_id: str) -> Response:
    """The bytes of a file."""
    found = _files(request).get(file_id, tenant(request))
    return Response(found.content, media_type="application/octet-stream", headers=NOT_SHOWN)


@router.delete(PATH, **documented(None, "Delete a file"))
async def delete(request: Request, file_id: str) -> dict[str, Any]:
    """Forget a file."""
    _files(request).remove(file_id, tenant(request))
    return {"id": file_id, "object": "file", "deleted": True}
