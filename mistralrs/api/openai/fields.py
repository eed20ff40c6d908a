"""What the request bodies of all interfaces share: sampling fields, and features that are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator

from mistralrs.api.requests import ReasoningEffort, RequestModel, SamplingOptions
from mistralrs.errors import RequestError

MAX_ANSWERS = 128
"""Answers that one request may ask for, over all its prompts."""
MAX_LABEL_CHARS = 512
MAX_LABELS = 16
EFFORTS = {"minimal": "low", "max": "xhigh"}
THOUGHTLESS = ("off", "none")

Neutral = tuple[Any, ...]
AGENT_FEATURES: Mapping[str, tuple[str, Neutral]] = {
    "adapter": ("choosing an adapter", ()),
    "agent_permission": ("tool execution in the server", ()),
    "code_execution_permission": ("tool execution in the server", ()),
    "enable_shell": ("tool execution in the server", (False,)),
    "files": ("returning files", ([],)),
    "grammar": ("constrained output", ()),
    "max_tool_rounds": ("tool execution in the server", ()),
    "response_format": ("constrained output", ({"type": "text"},)),
    "session_id": ("sessions", ()),
    "tool_choice": ("tool calling", ("none", "auto", {"type": "none"}, {"type": "auto"})),
    "tools": ("tool calling", ([],)),
    "web_search_options": ("web search", ()),
}
"""Fields of features that are not there: what they ask for, and the values (besides null) that ask for nothing."""

MEDIA = frozenset(
    {"image_url", "input_audio", "audio_url", "video_url", "file", "image", "document", "input_image", "input_file"}
)


def not_supported(param: str, feature: str) -> RequestError:
    """A feature that is not there; requests that need it are refused, not answered wrongly."""
    return RequestError(f"{param}: {feature} is not supported", param=param, code="not_supported")


def bad_field(param: str, problem: str) -> RequestError:
    """One field that is wrong. Validators may raise it: it goes through pydantic unchanged, and names the field."""
    return RequestError(f"{param}: {problem}", param=param)


class SampledBody(SamplingOptions):
    """A body with the sampling fields at its top, as all interfaces have them."""

    unsupported: ClassVar[Mapping[str, tuple[str, Neutral]]] = AGENT_FEATURES

    model: StrictStr | None = None
    n: StrictInt = Field(default=1, ge=1, le=MAX_ANSWERS)
    stream: StrictBool = False
    truncate_sequence: StrictBool = False
    cache_salt: StrictStr | None = Field(default=None, min_length=1, max_length=MAX_LABEL_CHARS)
    user: StrictStr | None = Field(default=None, max_length=MAX_LABEL_CHARS)
    metadata: dict[str, StrictStr] | None = Field(default=None, max_length=MAX_LABELS)

    @model_validator(mode="before")
    @classmethod
    def _refuse_features(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        return without_features(values, cls.unsupported)

    @field_validator("stop", mode="before")
    @classmethod
    def _list_stops(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("logit_bias", mode="before")
    @classmethod
    def _read_ids(cls, value: object) -> object:
        # JSON has no integer keys; ``int`` alone would take "1_0" and " 1".
        if isinstance(value, dict) and not all(
            isinstance(key, str) and key.isascii() and key.isdigit() for key in value
        ):
            raise ValueError("keys must be token ids")
        return value

    def sampling(self, **changes: Any) -> SamplingOptions:
        """The sampling fields alone, with ``changes``."""
        fields = {name: getattr(self, name) for name in SamplingOptions.model_fields}
        return SamplingOptions.model_construct(**{**fields, **changes})


class ThinkingFields(RequestModel):
    """Inputs of the chat template."""

    enable_thinking: StrictBool | None = None
    reasoning_effort: ReasoningEffort | None = None
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)

    @field_validator("reasoning_effort", mode="before")
    @classmethod
    def _know_aliases(cls, value: object) -> object:
        return EFFORTS.get(value, value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.enable_thinking is not None and self.reasoning_effort is not None:
            thinks = self.reasoning_effort not in THOUGHTLESS
            if thinks != self.enable_thinking:
                thinking = str(self.enable_thinking).lower()
                raise bad_field("reasoning_effort", f"{self.reasoning_effort!r} contradicts enable_thinking {thinking}")
        return self


def without_features(values: Mapping[str, Any], unsupported: Mapping[str, tuple[str, Neutral]]) -> dict[str, Any]:
    """The values of a body that are served. Raises :class:`RequestError` ``not_supported`` for others.

    Null is left out too: clients write it for what they do not give.
    """
    for name, (feature, neutral) in unsupported.items():
        if (value := values.get(name)) is not None and value not in neutral:
            raise not_supported(name, feature)
    return {name: value for name, value in values.items() if name not in unsupported and value is not None}


def plain_messages(messages: Any, place: str = "messages") -> Any:
    """Messages as clients send them back: without what is null, with media refused by name."""
    if not isinstance(messages, list):
        return messages
    return [_plain_message(message, f"{place}.{index}") for index, message in enumerate(messages)]


def _plain_message(message: Any, place: str) -> Any:
    if not isinstance(message, dict):
        return message
    kept = {name: value for name, value in message.items() if value not in (None, []) and name != "refusal"}
    if "reasoning" in kept:
        kept.setdefault("reasoning_content", kept.pop("reasoning"))
    if isinstance(kept.get("content"), list):
        kept["content"] = [_plain_part(part, f"{place}.content.{i}") for i, part in enumerate(kept["content"])]
    return kept


def _plain_part(part: Any, place: str) -> Any:
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if isinstance(kind, str) and kind in MEDIA:
        raise not_supported(f"{place}.type", f"the content type {kind!r}")
    return {name: value for name, value in part.items() if name != "cache_control"}


def texts_or_ids(value: str | tuple[Any, ...], param: str, limit: int) -> list[str | tuple[int, ...]]:
    """One text or list of token ids, or up to ``limit`` of either. Raises :class:`RequestError` naming the others."""
    if isinstance(value, str) or (value and _are_ids(value)):
        return [value]
    found = [tuple(item) if isinstance(item, list | tuple) else item for item in value]
    if not 0 < len(found) <= limit:
        raise bad_field(param, f"takes 1 to {limit} entries, not {len(found)}")
    for index, item in enumerate(found):
        if not isinstance(item, str) and not (item and isinstance(item, tuple) and _are_ids(item)):
            raise bad_field(f"{param}.{index}", "must be a text or a list of token ids")
    return found


def _are_ids(items: tuple[Any, ...]) -> bool:
    return all(type(item) is int for item in items)
