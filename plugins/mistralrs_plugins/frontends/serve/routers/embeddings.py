"""``/v1/embeddings``, ``/v1/rerank`` and ``/v1/score``."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from mistralrs.api.embedding import EmbedText
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.embeddings.schema import EmbeddingsBody, RerankBody, ScoreBody
from mistralrs_plugins.frontends.serve.embeddings.work import embedded, scores_of, text_of, written
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.responses.items import new_id
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()


@router.post("/v1/embeddings", **documented(EmbeddingsBody, "Vectors of texts"))
async def embeddings(
    request: Request, body: Annotated[EmbeddingsBody, Depends(body_of(EmbeddingsBody))]
) -> dict[str, Any]:
    """One vector for each text."""
    service: Service = request.app.state.service
    model = service.model(request, body.model)
    engine = model.engine
    engine.need("embed")
    prompts = body.prompts()

    async def make(index: int) -> EmbedText:
        return await text_of(engine, prompts[index], truncate=body.truncate_sequence)

    vectors, tokens = await embedded(request, service, model, len(prompts), make, truncate=body.truncate_sequence)
    data = [
        {"object": "embedding", "index": index, "embedding": written(vector, body.dimensions, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    if (trace := request.scope.get("trace")) is not None:
        trace.wrote(body.dimensions or len(vectors[0]), body.encoding_format)
    return {"object": "list", "data": data, "model": model.id, "usage": _usage(tokens)}


@router.post("/v1/rerank", **documented(RerankBody, "Documents in the order they fit a query"))
async def rerank(request: Request, body: Annotated[RerankBody, Depends(body_of(RerankBody))]) -> dict[str, Any]:
    """The documents that fit best, best first."""
    service: Service = request.app.state.service
    model = service.model(request, body.model)
    pairs = [(body.query, document) for document in body.documents]
    scores, tokens = await scores_of(request, service, model, pairs, truncate=body.truncate_sequence)
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: body.top_n]
    results: list[dict[str, Any]] = [{"index": index, "relevance_score": scores[index]} for index in order]
    if body.return_documents:
        for result in results:
            result["document"] = {"text": body.documents[result["index"]]}
    return {"id": new_id("rerank-"), "model": model.id, "results": results, "usage": _usage(tokens)}


@router.post("/v1/score", **documented(ScoreBody, "How well pairs of texts fit"))
async def score(request: Request, body: Annotated[ScoreBody, Depends(body_of(ScoreBody))]) -> dict[str, Any]:
    """One number for each pair."""
    service: Service = request.app.state.service
    model = service.model(request, body.model)
    scores, tokens = await scores_of(request, service, model, body.pairs(), truncate=body.truncate_sequence)
    data = [{"object": "score", "index": index, "score": value} for index, value in enumerate(scores)]
    head = {"id": new_id("score-"), "object": "list", "created": int(time.time()), "model": model.id}
    return {**head, "data": data, "usage": _usage(tokens)}


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": tokens, "total_tokens": tokens}
