"""Reads a form with one file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import PurePosixPath
from typing import NamedTuple

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from mistralrs.api.openai.fields import bad_field
from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.body import read_body
from mistralrs_plugins.frontends.serve.service import Service

FORM = "multipart/form-data"
MAX_FIELDS = 8
MAX_FIELD_BYTES = 4096
MAX_NAME_CHARS = 255
PIECE_BYTES = 1 << 18


class Upload(NamedTuple):
    """What a form held."""

    filename: str
    content: bytes
    fields: dict[str, str]


async def read_upload(request: Request, service: Service) -> Upload:
    """The form of a request: one file named ``file``, and text fields. Raises HttpError and RequestError."""
    content = await read_body(request, service, FORM)
    parser = MultiPartParser(
        request.headers, _pieces(content), max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, LookupError):
        limits = f"one file and at most {MAX_FIELDS} fields of at most {MAX_FIELD_BYTES} bytes"
        raise RequestError(f"the form cannot be read; it takes {limits}", code="invalid_form") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise bad_field("file", "is required, as a file")
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        return Upload(_plain_name(file.filename or ""), await file.read(), fields)
    finally:
        await form.close()


async def _pieces(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]
        await asyncio.sleep(0)  # others go on meanwhile


def _plain_name(given: str) -> str:
    """The last part of a name, as it can be shown."""
    name = "".join(char for char in PurePosixPath(given.replace("\\", "/")).name if char.isprintable())
    return name[:MAX_NAME_CHARS] or "file"
