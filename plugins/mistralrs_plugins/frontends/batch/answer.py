"""Answers one request of a batch, with the server's own validation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mistralrs.api.asynchronous import AsyncEngine, Generation, raise_error
from mistralrs.api.openai.answers import ChatAnswers, TextAnswers, Writer
from mistralrs.api.openai.fields import SampledBody, bad_field, not_supported
from mistralrs.api.openai.schema import ChatBody, CompletionBody
from mistralrs.api.requests import parse
from mistralrs.errors import RequestError

DEFAULT_MODEL = "default"


async def chat(engine: AsyncEngine, values: Mapping[str, Any]) -> dict[str, Any]:
    """As ``/v1/chat/completions``."""
    body = parse(ChatBody, values)
    _check(engine, body)
    sampling = engine.sampling(body.options())
    prompt = await engine.chat_prompt(body.conversation())
    answers = ChatAnswers(engine, sampling, body.n)
    await _collect(engine.generate([prompt], sampling, n=body.n, truncate=body.truncate_sequence), answers)
    return answers.whole()


async def complete(engine: AsyncEngine, values: Mapping[str, Any]) -> dict[str, Any]:
    """As ``/v1/completions``."""
    body = parse(CompletionBody, values)
    _check(engine, body)
    sampling = engine.sampling(body.options())
    given = body.prompts()
    echoes = [await engine.prompt_text(prompt) for prompt in given] if body.echo else []
    prompts = [await engine.text_prompt(prompt, truncate=body.truncate_sequence) for prompt in given]
    answers = TextAnswers(engine, sampling, prompts=len(given), n=body.n, echoes=echoes)
    await _collect(engine.generate(prompts, sampling, n=body.n, truncate=body.truncate_sequence), answers)
    return answers.whole()


ROUTES: Mapping[str, Callable[[AsyncEngine, Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
    "/v1/chat/completions": chat,
    "/v1/completions": complete,
}


async def answer(engine: AsyncEngine, url: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The response to a request. Raises :class:`RequestError` for a wrong one, EngineError when the engine failed."""
    route = ROUTES.get(url)
    if route is None:
        raise not_supported("url", f"{url[:100]!r} in a batch, which takes {' and '.join(ROUTES)},")
    return await route(engine, values)


def _check(engine: AsyncEngine, body: SampledBody) -> None:
    if body.model not in (None, DEFAULT_MODEL, engine.model.id):
        message = f"model {str(body.model)[:100]!r} is not loaded; there is {engine.model.id}"
        raise RequestError(message, param="model", code="model_not_found")
    if body.stream:
        raise bad_field("stream", "a batch has no streams")


async def _collect(generation: Generation, answers: Writer) -> None:
    try:
        async for outputs in generation.batches():
            for index, output in outputs:
                raise_error(output)
                answers.add_output(index, output)
    finally:
        generation.cancel()
