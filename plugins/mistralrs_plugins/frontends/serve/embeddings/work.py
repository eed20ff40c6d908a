"""Turns the texts of one request into vectors or scores, in pieces: so that nobody waits for a long list of others."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import numpy.typing as npt
from fastapi import Request

from mistralrs.api.asynchronous import AsyncEngine
from mistralrs.api.embedding import EmbedText, Vector
from mistralrs.api.openai.fields import bad_field, not_supported
from mistralrs_plugins.frontends.serve.admission import Ticket
from mistralrs_plugins.frontends.serve.embeddings.schema import Prompt
from mistralrs_plugins.frontends.serve.errors import client_gone
from mistralrs_plugins.frontends.serve.models.model import Model
from mistralrs_plugins.frontends.serve.service import Service
from mistralrs_plugins.frontends.serve.stream import while_connected

PIECE = 32
"""Texts that are given to the engine at a time."""
Make = Callable[[int], Awaitable[EmbedText]]


async def embedded(
    request: Request, service: Service, model: Model, count: int, make: Make, *, truncate: bool
) -> tuple[list[Vector], int]:
    """The vectors of ``count`` texts, of which ``make`` gives one, and the number of their tokens."""
    trace = request.scope.get("trace")
    if trace is not None:
        trace.began(model.id)
    ticket = await service.admit(request, model)
    try:
        work = _embedded(ticket, model.engine, count, make, truncate=truncate)
        vectors, tokens = await while_connected(request, work, lambda: ticket.end(client_gone()))
    finally:
        ticket.give_back()
    if trace is not None:
        trace.embedded(tokens)
    return vectors, tokens


async def _embedded(
    ticket: Ticket, engine: AsyncEngine, count: int, make: Make, *, truncate: bool
) -> tuple[list[Vector], int]:
    vectors: list[Vector] = []
    tokens = 0
    for start in range(0, count, PIECE):
        texts = [await make(index) for index in range(start, min(start + PIECE, count))]
        embeddings = engine.embed(texts, truncate=truncate)
        ticket.runs(embeddings)
        try:
            vectors += await embeddings.values()
        except Exception:
            if ticket.cut is not None:
                raise ticket.cut from None
            raise
        finally:
            embeddings.cancel()
        tokens += sum(min(len(text.ids), engine.model.context_length) for text in texts)
    return vectors, tokens


async def text_of(engine: AsyncEngine, prompt: Prompt, *, truncate: bool) -> EmbedText:
    """The token ids of a text; ids stay what they are."""
    if isinstance(prompt, tuple):
        return EmbedText(prompt)
    text = prompt[: engine.longest_text] if truncate else prompt
    return EmbedText(await engine.encode(text, add_special_tokens=True))


async def scores_of(
    request: Request, service: Service, model: Model, pairs: Sequence[tuple[str, str]], *, truncate: bool
) -> tuple[list[float], int]:
    """How well the texts of each pair fit, by a model that scores pairs or by the angle between their vectors.

    Raises :class:`RequestError` for a model that does neither, and for one that gives several scores.
    """
    engine = model.engine
    if engine.task != "score":
        engine.need("embed")
        return await _angles(request, service, model, pairs, truncate=truncate)

    async def make(index: int) -> EmbedText:
        first, second = pairs[index]
        if truncate:
            second = second[: max(0, engine.longest_text - len(first))]
        return await engine.encode_pair(first, second, truncate=truncate)

    vectors, tokens = await embedded(request, service, model, len(pairs), make, truncate=truncate)
    if vectors[0].shape != (1,):
        raise not_supported("model", f"ranking by a model that gives {len(vectors[0])} scores")
    return [float(vector[0]) for vector in vectors], tokens


async def _angles(
    request: Request, service: Service, model: Model, pairs: Sequence[tuple[str, str]], *, truncate: bool
) -> tuple[list[float], int]:
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))  # the query of a ranking is in all pairs

    async def make(index: int) -> EmbedText:
        return await text_of(model.engine, texts[index], truncate=truncate)

    vectors, tokens = await embedded(request, service, model, len(texts), make, truncate=truncate)
    units = {text: unit(vector) for text, vector in zip(texts, vectors, strict=True)}
    return [float(units[first] @ units[second]) for first, second in pairs], tokens


def unit(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The vector with length 1; one without a direction stays."""
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length > 0 else vector


def written(vector: npt.NDArray[np.float32], dimensions: int | None, encoding: str) -> list[float] | str:
    """A vector as clients get it: its first ``dimensions`` with length 1, as numbers or little-endian base64.

    Raises :class:`RequestError` for more dimensions than there are.
    """
    if dimensions is not None:
        if dimensions > len(vector):
            raise bad_field("dimensions", f"must be at most {len(vector)} with this model, not {dimensions}")
        vector = unit(vector[:dimensions])
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    values: list[float] = vector.tolist()
    return values
