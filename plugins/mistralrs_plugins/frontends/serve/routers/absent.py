"""Routes that clients expect and this server cannot serve: they say so, instead of not being there."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from mistralrs.errors import RequestError

router = APIRouter()

ABSENT = {
    "/v1/images/generations": "image generation",
    "/v1/audio/speech": "speech",
    "/v1/audio/transcriptions": "transcription",
    "/v1/moderations": "moderation",
}


def _refuser(path: str, feature: str) -> None:
    async def refuse(request: Request) -> Response:
        raise RequestError(f"{feature} is not supported by this server", code="not_supported")

    router.post(path, summary=f"Not supported: {feature}", responses={400: {"description": "Always"}})(refuse)


for _path, _feature in ABSENT.items():
    _refuser(_path, _feature)
