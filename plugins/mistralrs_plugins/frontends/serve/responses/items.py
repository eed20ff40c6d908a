"""Items: what a conversation consists of in the Responses interface."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from mistralrs.api.openai.fields import MEDIA, not_supported
from mistralrs.api.requests import MAX_MESSAGES, ChatMessage, RequestModel, TextPart

MAX_ID_CHARS = 128
TEXT_PARTS = ("input_text", "output_text", "text")
IGNORED_PART_KEYS = ("annotations", "logprobs")
OUTPUT_KEYS = ("phase",)
Role = Literal["user", "assistant", "system", "developer"]


class InputMessage(RequestModel):
    """One message of the input; ``id`` and ``status`` come with items that an earlier response had."""

    type: Literal["message"] = "message"
    role: Role
    content: str | tuple[TextPart, ...]
    id: str | None = Field(default=None, max_length=MAX_ID_CHARS)
    status: Literal["in_progress", "completed", "incomplete"] | None = None

    @property
    def message(self) -> ChatMessage:
        """The message as chats have it."""
        return ChatMessage(role=self.role, content=self.content)


def read_items(value: object) -> object:
    """Items as clients send them, with all kinds of text parts as one; other items are refused by name."""
    if not isinstance(value, list):
        return value
    if not 0 < len(value) <= MAX_MESSAGES:
        raise ValueError(f"takes 1 to {MAX_MESSAGES} items, not {len(value)}")
    return [_read_item(item, f"input.{index}") for index, item in enumerate(value)]


def _read_item(item: object, place: str) -> object:
    if not isinstance(item, Mapping):
        return item
    kind = item.get("type", "message")
    if isinstance(kind, str) and kind != "message":
        raise not_supported(f"{place}.type", f"the item type {kind[:MAX_ID_CHARS]!r}")
    kept = {name: value for name, value in item.items() if value is not None and name not in OUTPUT_KEYS}
    if isinstance(kept.get("content"), list):
        kept["content"] = [_read_part(part, f"{place}.content.{i}") for i, part in enumerate(kept["content"])]
    return kept


def _read_part(part: object, place: str) -> object:
    if not isinstance(part, Mapping):
        return part
    kind = part.get("type")
    if isinstance(kind, str) and (kind in MEDIA or kind == "refusal"):
        raise not_supported(f"{place}.type", f"the content type {kind!r}")
    kept = {name: value for name, value in part.items() if name not in IGNORED_PART_KEYS}
    if isinstance(kind, str) and kind in TEXT_PARTS:
        kept["type"] = "text"
    return kept


def new_id(prefix: str) -> str:
    """A name that nobody can guess."""
    return prefix + secrets.token_hex(16)


def listed_items(given: str | Sequence[InputMessage]) -> list[dict[str, Any]]:
    """The items of an input as they are listed, each with an id."""
    messages = [InputMessage(role="user", content=given)] if isinstance(given, str) else given
    return [_listed(message) for message in messages]


def _listed(message: InputMessage) -> dict[str, Any]:
    kind = "output_text" if message.role == "assistant" else "input_text"
    texts = [message.content] if isinstance(message.content, str) else [part.text for part in message.content]
    extra: dict[str, Any] = {"annotations": [], "logprobs": []} if message.role == "assistant" else {}
    return {
        "id": message.id or new_id("msg_"),
        "type": "message",
        "role": message.role,
        "status": message.status or "completed",
        "content": [{"type": kind, "text": text, **extra} for text in texts],
    }
