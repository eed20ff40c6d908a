"""The bodies that OpenAI's clients send, with the extras of this engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator

from mistralrs.api.openai.fields import (
    AGENT_FEATURES,
    MAX_ANSWERS,
    MAX_LABEL_CHARS,
    Neutral,
    SampledBody,
    ThinkingFields,
    bad_field,
    not_supported,
    plain_messages,
    texts_or_ids,
)
from mistralrs.api.requests import ChatMessage, ChatRequest, RequestModel, SamplingOptions, parse

MAX_PROMPTS = MAX_ANSWERS
MAX_TEXT_LOGPROBS = 5

CHAT_FEATURES: Mapping[str, tuple[str, Neutral]] = {
    **AGENT_FEATURES,
    "audio": ("audio output", ()),
    "chat_template": ("a chat template in the request", ()),
    "function_call": ("tool calling", ("none", "auto")),
    "functions": ("tool calling", ([],)),
    "modalities": ("output other than text", (["text"],)),
    "prediction": ("predicted output", ()),
    "service_tier": ("a choice of service", ("auto", "default")),
    "store": ("storing answers", (False,)),
    "verbosity": ("verbosity", ("medium",)),
}
TEXT_FEATURES: Mapping[str, tuple[str, Neutral]] = {
    **AGENT_FEATURES,
    "suffix": ("filling in before a suffix", ("",)),
}


class StreamOptions(RequestModel):
    """What a stream has besides the answer."""

    include_usage: StrictBool = False
    include_obfuscation: StrictBool = False


class StreamedBody(SampledBody):
    """A body whose answer may be streamed."""

    stream_options: StreamOptions | None = None

    @model_validator(mode="after")
    def _stream_to_have_options(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise bad_field("stream_options", "only allowed when stream is true")
        return self

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with what it cost."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatBody(StreamedBody, ThinkingFields):
    """``POST /v1/chat/completions``."""

    unsupported: ClassVar[Mapping[str, tuple[str, Neutral]]] = CHAT_FEATURES

    messages: tuple[ChatMessage, ...]
    max_completion_tokens: StrictInt | None = None
    logprobs: StrictBool = False
    parallel_tool_calls: StrictBool | None = None
    safety_identifier: StrictStr | None = Field(default=None, max_length=MAX_LABEL_CHARS)
    prompt_cache_key: StrictStr | None = Field(default=None, max_length=MAX_LABEL_CHARS)

    @field_validator("messages", mode="before")
    @classmethod
    def _read_messages(cls, value: object) -> object:
        return plain_messages(value)

    @model_validator(mode="after")
    def _agree_on_numbers(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise bad_field("top_logprobs", "only allowed when logprobs is true")
        if None not in (self.max_tokens, self.max_completion_tokens) and self.max_tokens != self.max_completion_tokens:
            both = f"{self.max_completion_tokens} contradicts max_tokens {self.max_tokens}; give one of them"
            raise bad_field("max_completion_tokens", both)
        return self

    def options(self) -> SamplingOptions:
        """How tokens are chosen."""
        limit = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        top = (self.top_logprobs or 0) if self.logprobs else None
        return self.sampling(max_tokens=limit, top_logprobs=top)

    def conversation(self) -> ChatRequest:
        """The conversation to continue. Raises :class:`RequestError`."""
        return chat_request(self.messages, self, truncate=self.truncate_sequence)


def chat_request(messages: tuple[ChatMessage, ...], thinking: ThinkingFields, *, truncate: bool = False) -> ChatRequest:
    """The request behind a body; here the conversation as a whole is checked. Raises :class:`RequestError`."""
    return conversation_request(
        messages,
        enable_thinking=thinking.enable_thinking,
        reasoning_effort=thinking.reasoning_effort,
        template_inputs=thinking.chat_template_kwargs,
        truncate=truncate,
    )


def conversation_request(messages: tuple[ChatMessage, ...], **fields: Any) -> ChatRequest:
    """A conversation to continue, with the fields of :class:`ChatRequest`. Raises :class:`RequestError`."""
    return parse(ChatRequest, {"messages": messages, **fields})


class CompletionBody(StreamedBody):
    """``POST /v1/completions``. A prompt is a text or token ids; several make several answers."""

    unsupported: ClassVar[Mapping[str, tuple[str, Neutral]]] = TEXT_FEATURES

    prompt: StrictStr | tuple[Any, ...]
    logprobs: StrictInt | None = Field(default=None, ge=0, le=MAX_TEXT_LOGPROBS)
    echo: StrictBool = False
    best_of: StrictInt | None = Field(default=None, ge=1, le=MAX_ANSWERS)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.top_logprobs is not None:
            raise bad_field("top_logprobs", "this route has logprobs instead")
        if self.best_of is not None and self.best_of < self.n:
            raise bad_field("best_of", f"must be at least n, which is {self.n}, not {self.best_of}")
        if self.best_of is not None and self.best_of > self.n:
            raise not_supported("best_of", "choosing the best of more answers than are returned")
        if self.echo and self.logprobs is not None:
            raise not_supported("echo", "log-probabilities of the prompt")
        return self

    def options(self) -> SamplingOptions:
        """How tokens are chosen."""
        return self.sampling(top_logprobs=self.logprobs)

    def prompts(self) -> list[str | tuple[int, ...]]:
        """The prompts. Raises :class:`RequestError` for one that is neither a text nor token ids."""
        return texts_or_ids(self.prompt, "prompt", MAX_PROMPTS)

    @model_validator(mode="after")
    def _read_prompts(self) -> Self:
        self.prompts()
        return self
