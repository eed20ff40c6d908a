"""What a client may ask for, validated in one place: every front end and every HTTP route ends up with these models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, ValidationError, model_validator

from mistralrs.errors import RequestError
from mistralrs.loading.chat import RESERVED

MAX_MESSAGES = 10_000
MAX_TEXT_CHARS = 8 << 20
MAX_TOOLS = 512
MAX_TEMPLATE_INPUTS = 64
MAX_SHOWN_CHARS = 40
MAX_FIELDS = 256
SURROGATE = re.compile("[\ud800-\udfff]")

RequestT = TypeVar("RequestT", bound="RequestModel")
Number = StrictInt | StrictFloat
ReasoningEffort = Literal["off", "none", "low", "medium", "high", "xhigh"]


class RequestModel(BaseModel):
    """Base of everything a client sends: unknown keys are errors, values are not changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(RequestModel):
    """A piece of a message's text."""

    type: Literal["text"]
    text: str


class FunctionCall(RequestModel):
    """The call an assistant made; ``arguments`` is an object, or the JSON text of one."""

    name: str
    arguments: str | dict[str, Any]


class ToolCall(RequestModel):
    """One tool call of an assistant's message."""

    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(RequestModel):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | tuple[TextPart, ...] | None = None
    name: str | None = None
    reasoning_content: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if self.content is None and not (self.role == "assistant" and self.tool_calls):
            raise ValueError(f"a message of the role {self.role!r} needs content")
        if self.role == "assistant" or not self.tool_calls:
            return self
        raise ValueError(f"a message of the role {self.role!r} cannot call tools")

    @property
    def text(self) -> str:
        """The content as one string; parts are joined by line ends."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text for part in self.content)

    def for_template(self) -> dict[str, Any]:
        """The message as chat templates know it. What templates call a developer is the system."""
        message = self.model_dump(exclude_none=True)
        message["role"] = "system" if self.role == "developer" else self.role
        message["content"] = self.text
        return message


class SamplingOptions(RequestModel):
    """How tokens are chosen. What is left out comes from the model: see :mod:`mistralrs.api.sampling`."""

    temperature: Number | None = None
    top_k: StrictInt | None = None
    top_p: Number | None = None
    min_p: Number | None = None
    repetition_penalty: Number | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    dry_multiplier: Number | None = None
    dry_base: Number | None = None
    dry_allowed_length: StrictInt | None = None
    dry_sequence_breakers: tuple[str, ...] | None = None
    logit_bias: dict[int, Number] | None = None
    seed: StrictInt | None = None
    top_logprobs: StrictInt | None = None
    max_tokens: StrictInt | None = None
    stop: tuple[str, ...] | None = None
    stop_token_ids: tuple[StrictInt, ...] | None = None
    ignore_eos: StrictBool | None = None


class ChatRequest(RequestModel):
    """A conversation to continue.

    ``enable_thinking`` and ``reasoning_effort`` are inputs of the chat template, as is everything in
    ``template_inputs``. ``truncate`` drops the oldest tokens of a prompt that is too long, instead of refusing it.
    """

    messages: tuple[ChatMessage, ...] = Field(min_length=1, max_length=MAX_MESSAGES)
    sampling: SamplingOptions = SamplingOptions()
    tools: tuple[dict[str, Any], ...] = Field(default=(), max_length=MAX_TOOLS)
    enable_thinking: StrictBool | None = None
    reasoning_effort: ReasoningEffort | None = None
    template_inputs: dict[str, Any] = Field(default_factory=dict, max_length=MAX_TEMPLATE_INPUTS)
    truncate: StrictBool = False

    @model_validator(mode="after")
    def _bound_the_text(self) -> Self:
        texts = [text for message in self.messages for text in (message.text, message.reasoning_content or "")]
        if sum(map(len, texts)) > MAX_TEXT_CHARS:
            raise ValueError(f"the conversation is longer than {MAX_TEXT_CHARS} characters")
        if any(SURROGATE.search(text) for text in texts):
            raise ValueError("a text holds half of a surrogate pair, which is not a character")
        return self

    @model_validator(mode="after")
    def _name_inputs(self) -> Self:
        for name in self.template_inputs:
            if name in RESERVED:
                raise RequestError(f"{name!r} is set by the engine and cannot be given", param=name)
        return self

    def inputs(self) -> dict[str, Any]:
        """The further inputs of the chat template."""
        chosen = {"enable_thinking": self.enable_thinking, "reasoning_effort": self.reasoning_effort}
        return {**self.template_inputs, **{name: value for name, value in chosen.items() if value is not None}}


def parse(model: type[RequestT], values: Mapping[str, Any]) -> RequestT:
    """Validate a request. Raises :class:`RequestError` naming the first bad field and what is wrong with it."""
    if len(values) > MAX_FIELDS:  # each of them would become a problem to describe
        raise RequestError(f"a request has at most {MAX_FIELDS} fields, not {len(values)}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
    # Where a field may be of several types there is a problem for each of them: the innermost one says most.
    place = _field(problems[0]["loc"])
    problem = max(
        (each for each in problems if _field(each["loc"]).startswith(place)), key=lambda each: len(each["loc"])
    )
    field = _field(problem["loc"])
    message = problem["msg"].removeprefix("Value error, ") + _given(problem)
    raise RequestError(f"{field}: {message}" if field else message, param=field)


def _given(problem: Mapping[str, Any]) -> str:
    """The value that is wrong, where it is short enough to be told."""
    value = problem["input"]
    is_told = isinstance(value, int | float | str) and problem["type"] not in ("missing", "value_error")
    shown = repr(value) if is_told and not (isinstance(value, str) and len(value) > MAX_SHOWN_CHARS) else ""
    return f", not {shown}" if 0 < len(shown) <= MAX_SHOWN_CHARS + 2 else ""


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if not _is_union_branch(part))


def _is_union_branch(part: object) -> bool:
    """Whether pydantic put the name of a type, not of a field, into a location."""
    return (isinstance(part, str) and not part.isidentifier()) or part in ("str", "int", "float", "dict", "tuple")
