"""A conversation with one model: its messages, and the settings that the next answer gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from mistralrs.api.answer import Answer
from mistralrs.api.requests import ChatRequest, SamplingOptions, parse
from mistralrs.api.sampling import CHAT_DEFAULTS, SamplingParams
from mistralrs.errors import RequestError, UsageError


class Engine(Protocol):
    """What a conversation needs: :class:`mistralrs.api.engine.LocalEngine`."""

    def chat(self, request: ChatRequest, fallback: Mapping[str, Any]) -> Answer:
        """Continue a conversation."""

    def sampling(self, options: SamplingOptions, fallback: Mapping[str, Any]) -> SamplingParams:
        """The sampling a request gets."""


@dataclass
class Settings:
    """What the user chose. ``sampling`` holds only what was given, by the names of :class:`SamplingOptions`."""

    sampling: dict[str, Any] = field(default_factory=dict)
    thinking: bool | None = None
    reasoning_effort: str | None = None

    @classmethod
    def checked(cls, sampling: dict[str, Any], thinking: bool | None, reasoning_effort: str | None) -> Settings:
        """Settings from a command line. Raises :class:`UsageError` naming the option that is out of range."""
        settings = cls(sampling, thinking, reasoning_effort)
        try:
            settings.request([{"role": "user", "content": "?"}])
            SamplingParams(**sampling).check(vocab_size=1)
        except RequestError as error:
            raise UsageError(f"--{error.message.replace('_', '-', 1)}", error.hint) from None
        return settings

    def request(self, messages: list[dict[str, Any]]) -> ChatRequest:
        """A request with these settings. Raises :class:`RequestError`."""
        chosen = {"enable_thinking": self.thinking, "reasoning_effort": self.reasoning_effort}
        return parse(ChatRequest, {"messages": messages, "sampling": self.sampling, **chosen})


@dataclass
class Conversation:
    """The messages so far. ``turns`` counts answers, ``cache_hits`` those that reused an earlier prompt."""

    engine: Engine
    settings: Settings
    model_id: str
    system: str | None = None
    turns: int = 0
    cache_hits: int = 0
    _messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sampling(self) -> SamplingParams:
        """The sampling the next answer gets."""
        return self.engine.sampling(SamplingOptions(**self.settings.sampling), CHAT_DEFAULTS)

    def clear(self) -> None:
        """Forget all messages except the system's."""
        self._messages.clear()

    @contextmanager
    def ask(self, text: str) -> Iterator[Answer]:
        """Send ``text``. The answer joins the conversation at the end of the block, also one that was cut short.

        An exception from the block, such as a refused request or Ctrl-C, stops the answer. One that never got any
        text leaves the conversation as it was.
        """
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        question = {"role": "user", "content": text}
        answer = self.engine.chat(self.settings.request([*system, *self._messages, question]), CHAT_DEFAULTS)
        try:
            yield answer
        finally:
            answer.cancel()
            if answer.text:
                self._messages += [question, {"role": "assistant", "content": answer.text}]
                self.turns += 1
                self.cache_hits += bool(answer.usage and answer.usage.cached_tokens)
