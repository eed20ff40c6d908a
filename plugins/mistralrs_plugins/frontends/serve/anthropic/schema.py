"""The bodies that Anthropic's clients send, with the extras of this engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from mistralrs.api.openai.fields import (
    AGENT_FEATURES,
    Neutral,
    SampledBody,
    ThinkingFields,
    bad_field,
    not_supported,
    plain_messages,
    without_features,
)
from mistralrs.api.openai.schema import chat_request
from mistralrs.api.requests import ChatMessage, ChatRequest, RequestModel, SamplingOptions, TextPart

FEATURES: Mapping[str, tuple[str, Neutral]] = {
    **AGENT_FEATURES,
    "container": ("containers", ()),
    "context_management": ("context management", ()),
    "inference_geo": ("a choice of place", ()),
    "mcp_servers": ("MCP servers", ([],)),
    "output_config": ("constrained output", ({},)),
    "output_format": ("constrained output", ()),
    "service_tier": ("a choice of service", ("auto", "standard_only")),
    "thinking": ("separate thinking blocks", ({"type": "disabled"},)),
    "cache_control": ("cache control", ({"type": "ephemeral"},)),
}
BLOCKS = {"tool_use": "tool calling", "tool_result": "tool calling", "thinking": "thinking blocks"}


class TurnMessage(RequestModel):
    """One message."""

    role: Literal["user", "assistant"]
    content: str | tuple[TextPart, ...]


class MessagesFields(ThinkingFields):
    """What makes a prompt."""

    messages: tuple[TurnMessage, ...] = Field(min_length=1)
    system: str | tuple[TextPart, ...] | None = None

    @field_validator("messages", mode="before")
    @classmethod
    def _read_messages(cls, value: object) -> object:
        if isinstance(value, list):
            for index, message in enumerate(value):
                _refuse_blocks(message, f"messages.{index}")
        return plain_messages(value)

    @field_validator("system", mode="before")
    @classmethod
    def _read_system(cls, value: object) -> object:
        return plain_messages([{"content": value}], "system")[0].get("content") if isinstance(value, list) else value

    def conversation(self, *, truncate: bool = False) -> ChatRequest:
        """The conversation to continue. Raises :class:`RequestError`."""
        system = () if not self.system else (ChatMessage(role="system", content=self.system),)
        turns = tuple(ChatMessage(role=turn.role, content=turn.content) for turn in self.messages)
        return chat_request((*system, *turns), self, truncate=truncate)


def _refuse_blocks(message: object, place: str) -> None:
    content = message.get("content") if isinstance(message, Mapping) else None
    for index, block in enumerate(content if isinstance(content, list) else ()):
        kind = block.get("type") if isinstance(block, Mapping) else None
        if isinstance(kind, str) and kind in BLOCKS:
            raise not_supported(f"{place}.content.{index}.type", BLOCKS[kind])


class MessagesBody(SampledBody, MessagesFields):
    """``POST /v1/messages``."""

    unsupported: ClassVar[Mapping[str, tuple[str, Neutral]]] = FEATURES

    stop_sequences: tuple[str, ...] | None = None
    n: Literal[1] = 1
    metadata: dict[str, Any] | None = Field(default=None, max_length=16)

    @model_validator(mode="after")
    def _need_a_limit(self) -> Self:
        if self.max_tokens is None:
            raise bad_field("max_tokens", "is required")
        return self

    def options(self) -> SamplingOptions:
        """How tokens are chosen."""
        stops = (*(self.stop or ()), *(self.stop_sequences or ()))
        return self.sampling(stop=stops or None)


class CountBody(MessagesFields):
    """``POST /v1/messages/count_tokens``."""

    model: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_features(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return without_features(values, FEATURES)
