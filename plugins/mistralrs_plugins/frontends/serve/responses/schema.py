"""The body of ``POST /v1/responses``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator

from mistralrs.api.openai.fields import (
    AGENT_FEATURES,
    EFFORTS,
    MAX_LABEL_CHARS,
    Neutral,
    SampledBody,
    ThinkingFields,
    bad_field,
    not_supported,
)
from mistralrs.api.requests import ReasoningEffort, RequestModel, SamplingOptions
from mistralrs_plugins.frontends.serve.responses.items import InputMessage, read_items

FEATURES: Mapping[str, tuple[str, Neutral]] = {
    **{name: feature for name, feature in AGENT_FEATURES.items() if name != "response_format"},
    "context_management": ("context management", ([],)),
    "conversation": ("conversations", ()),
    "max_tool_calls": ("tool calling", ()),
    "moderation": ("moderation", ()),
    "prompt": ("prompt templates", ()),
    "service_tier": ("a choice of service", ("auto", "default")),
}
INCLUDED_LOGPROBS = "message.output_text.logprobs"
INCLUDABLE = (INCLUDED_LOGPROBS, "reasoning.encrypted_content")
"""What ``include`` may name: log-probabilities, and a part of items that this server never makes."""


class Reasoning(RequestModel):
    """How much the model thinks. There are no reasoning items, so there is nothing for a summary."""

    effort: ReasoningEffort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None

    @field_validator("effort", mode="before")
    @classmethod
    def _know_aliases(cls, value: object) -> object:
        return EFFORTS.get(value, value) if isinstance(value, str) else value


class StreamOptions(RequestModel):
    """What a stream has besides the answer."""

    include_obfuscation: StrictBool = False


class ResponsesBody(SampledBody, ThinkingFields):
    """``POST /v1/responses``."""

    unsupported: ClassVar[Mapping[str, tuple[str, Neutral]]] = FEATURES

    input: StrictStr | tuple[InputMessage, ...]
    instructions: StrictStr | None = None
    previous_response_id: StrictStr | None = Field(default=None, max_length=MAX_LABEL_CHARS)
    max_output_tokens: StrictInt | None = Field(default=None, ge=1)
    max_completion_tokens: StrictInt | None = None
    store: StrictBool = True
    background: StrictBool = False
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] = "disabled"
    text: dict[str, Any] = Field(default_factory=dict)
    include: tuple[StrictStr, ...] = ()
    n: Literal[1] = 1
    logprobs: StrictBool = False
    stream_options: StreamOptions | None = None
    parallel_tool_calls: StrictBool | None = None
    safety_identifier: StrictStr | None = Field(default=None, max_length=MAX_LABEL_CHARS)
    prompt_cache_key: StrictStr | None = Field(default=None, max_length=MAX_LABEL_CHARS)

    @field_validator("input", mode="before")
    @classmethod
    def _read_items(cls, value: object) -> object:
        return read_items(value)

    @field_validator("text")
    @classmethod
    def _plain_text(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value.get("format") not in (None, {"type": "text"}):
            raise not_supported("text.format", "constrained output")
        if value.get("verbosity") not in (None, "medium"):
            raise not_supported("text.verbosity", "verbosity")
        if unknown := [name for name in value if name not in ("format", "verbosity")]:
            raise bad_field(f"text.{unknown[0][:MAX_LABEL_CHARS]}", "is not known")
        return value

    @field_validator("include")
    @classmethod
    def _includable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(value):
            if name not in INCLUDABLE:
                raise not_supported(f"include.{index}", f"including {name[:MAX_LABEL_CHARS]!r}")
        return value

    @model_validator(mode="after")
    def _agree_on_storage(self) -> Self:
        if self.background and not self.store:
            raise bad_field("background", "needs store: nothing else keeps the answer")
        return self

    @property
    def limit(self) -> int | None:
        """Most tokens of the answer."""
        given = (self.max_output_tokens, self.max_completion_tokens, self.max_tokens)
        return next((limit for limit in given if limit is not None), None)

    @property
    def with_logprobs(self) -> bool:
        """Whether log-probabilities are asked for, in any of the ways."""
        return self.logprobs or self.top_logprobs is not None or INCLUDED_LOGPROBS in self.include

    @property
    def effort(self) -> str | None:
        """How much the model thinks, if that is said."""
        nested = self.reasoning.effort if self.reasoning else None
        return self.reasoning_effort or nested

    @property
    def truncates(self) -> bool:
        """Whether a conversation that is too long is shortened from its beginning."""
        return self.truncation == "auto" or self.truncate_sequence

    def options(self) -> SamplingOptions:
        """How tokens are chosen."""
        top = (self.top_logprobs or 0) if self.with_logprobs else None
        return self.sampling(max_tokens=self.limit, top_logprobs=top)
