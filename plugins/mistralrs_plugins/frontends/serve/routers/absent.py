"""Routes that clients expect and this server cannot serve: they say so, instead of not being there."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from mistralrs.api.json_object import parse_object
from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.body import read_body

router = APIRouter()

ABSENT = {
    "/v1/embeddings": "embeddings",
    "/v1/rerank": "reranking",
    "/v1/score": "scoring",
    "/v1/images/generations": "image generation",
    "/v1/audio/speech": "speech",
    "/v1/audio/transcriptions": "transcription",
    "/v1/moderations": "moderation",
}
JSON_ROUTES = frozenset({"/v1/embeddings", "/v1/rerank", "/v1/score"})


def _refuser(path: str, feature: str) -> None:
    async def refuse(request: Request) -> Response:
        if path in JSON_ROUTES:  # a body that is wrong in itself is told first, as it will be
            parse_object(await read_body(request, request.app.state.service))
        raise RequestError(f"{feature} is not supported by this server", code="not_supported")

    router.post(path, summary=f"Not supported: {feature}", responses={400: {"description": "Always"}})(refuse)


for _path, _feature in ABSENT.items():
    _refuser(_path, _feature)
