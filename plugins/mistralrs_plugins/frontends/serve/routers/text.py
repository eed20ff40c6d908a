"""The text side of the model alone: tokens and chat template."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator

from mistralrs.api.asynchronous import AsyncEngine
from mistralrs.api.openai.fields import ThinkingFields, bad_field, plain_messages
from mistralrs.api.openai.schema import chat_request
from mistralrs.api.requests import ChatMessage, RequestModel
from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.body import body_of
from mistralrs_plugins.frontends.serve.openapi import documented
from mistralrs_plugins.frontends.serve.service import Service

router = APIRouter()

MAX_TOKENS = 1 << 20


class TemplateBody(ThinkingFields):
    """``POST /apply-template``."""

    model: StrictStr | None = None
    messages: tuple[ChatMessage, ...] = ()
    add_generation_prompt: StrictBool = True

    @field_validator("messages", mode="before")
    @classmethod
    def _read_messages(cls, value: object) -> object:
        return plain_messages(value)


class TokenizeBody(TemplateBody):
    """``POST /tokenize``: of a text or of a conversation. ``add_special_tokens`` is for texts: templates write them."""

    prompt: StrictStr | None = None
    add_special_tokens: StrictBool = True
    return_token_strs: StrictBool = False


class DetokenizeBody(RequestModel):
    """``POST /detokenize``."""

    model: StrictStr | None = None
    tokens: tuple[StrictInt, ...] = Field(max_length=MAX_TOKENS)


@contextlib.contextmanager
def _engine(request: Request, name: str | None) -> Iterator[AsyncEngine]:
    """The text side of a model, and a place for one text."""
    service: Service = request.app.state.service
    engine = service.model(request, name).engine
    with service.text_place():
        yield engine


async def _rendered(engine: AsyncEngine, body: TemplateBody) -> str:
    conversation = chat_request(body.messages, body)
    return await engine.render(conversation, add_generation_prompt=body.add_generation_prompt)


@router.post("/apply-template", **documented(TemplateBody, "The prompt of a conversation"))
async def apply_template(
    request: Request, body: Annotated[TemplateBody, Depends(body_of(TemplateBody))]
) -> dict[str, Any]:
    """What the model reads when it is asked to continue ``messages``."""
    with _engine(request, body.model) as engine:
        return {"prompt": await _rendered(engine, body)}


@router.post("/tokenize", **documented(TokenizeBody, "The tokens of a text or conversation"))
async def tokenize(request: Request, body: Annotated[TokenizeBody, Depends(body_of(TokenizeBody))]) -> dict[str, Any]:
    """Token ids, and what they stand for if asked."""
    if (body.prompt is None) == (not body.messages):
        raise bad_field("prompt", "give either prompt or messages")
    with _engine(request, body.model) as engine:
        text = await _rendered(engine, body) if body.prompt is None else body.prompt
        special = body.prompt is not None and body.add_special_tokens
        tokens = await engine.encode(text, add_special_tokens=special)
    found = {"count": len(tokens), "max_model_len": engine.model.context_length, "tokens": list(tokens)}
    if body.return_token_strs:
        found["token_strs"] = [engine.token_bytes(token).decode("utf-8", "replace") for token in tokens]
    return found


@router.post("/detokenize", **documented(DetokenizeBody, "The text of tokens"))
async def detokenize(
    request: Request, body: Annotated[DetokenizeBody, Depends(body_of(DetokenizeBody))]
) -> dict[str, Any]:
    """The text, special tokens included."""
    with _engine(request, body.model) as engine:
        size = engine.model.vocab_size
        for index, token in enumerate(body.tokens):
            if not 0 <= token < size:
                message = f"tokens.{index}: {token} is outside the vocabulary of {size}"
                raise RequestError(message, param=f"tokens.{index}")
        return {"prompt": await engine.decode(body.tokens)}
