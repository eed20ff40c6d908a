"""Chat and text answers as OpenAI's clients get them in one piece: ids, usage, reasons, log-probabilities."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mistralrs.api.asynchronous import (
    AnswerOutput,
    AsyncEngine,
    Finished,
    FinishReason,
    SamplingParams,
    TokenLogprob,
    Tokens,
    Usage,
)

FINGERPRINT = "local"
Record = Callable[[str, str], None]
Logprobs = Sequence[tuple[TokenLogprob, Sequence[TokenLogprob]]]
LOWEST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON cannot say."""


def unrecorded(answer: str, reason: str) -> None:
    """Keep no log."""


@dataclass
class Part:
    """One answer while it is made."""

    pieces: list[str] = field(default_factory=list)
    logprobs: list[tuple[TokenLogprob, Sequence[TokenLogprob]]] = field(default_factory=list)
    reason: FinishReason | None = None
    stop: str | None = None
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.pieces)


class Writer:
    """Collects the answers of one request. ``prefix`` begins the id that clients see.

    ``record`` gets the text and the reason of each answer that has ended.
    """

    prompts = 1

    def __init__(self, engine: AsyncEngine, sampling: SamplingParams, count: int, prefix: str, record: Record) -> None:
        self.engine = engine
        self.id = prefix + secrets.token_hex(12)
        self.created = int(time.time())
        self.model = engine.model.id
        self.parts = [Part() for _ in range(count)]
        self._record = record
        self._ends = frozenset(sampling.stop_token_ids) | (frozenset() if sampling.ignore_eos else engine.eos_ids)

    def take(self, index: int, output: Tokens) -> list[tuple[TokenLogprob, Sequence[TokenLogprob]]]:
        """Take in new tokens; returns their log-probabilities, without the token that ends an answer."""
        part = self.parts[index]
        part.pieces.append(output.text)
        if not output.logprobs:
            return []
        tops = output.top_logprobs or ((),) * len(output.logprobs)
        new: list[tuple[TokenLogprob, Sequence[TokenLogprob]]]
        new = [(each, top) for each, top in zip(output.logprobs, tops, strict=True) if each.token not in self._ends]
        part.logprobs += new
        return new

    def finish(self, index: int, output: Finished) -> None:
        """Take in the end of an answer."""
        part = self.parts[index]
        part.reason, part.stop, part.usage = output.reason, output.stop, output.usage
        self._record(part.text, output.reason.value)

    def usage(self) -> dict[str, Any]:
        """What all answers cost, with the rates of mistral.rs. A prompt with several answers counts once."""
        usages = [part.usage for part in self.parts if part.usage is not None]
        return usage_object(usages, copies=max(1, len(usages) // max(1, self.prompts)))

    def add_output(self, index: int, output: AnswerOutput) -> None:
        """Take in whatever came, for who does not pass it on piece by piece."""
        if isinstance(output, Tokens):
            self.take(index, output)
        else:
            self.finish(index, output)

    def logprob(self, token: TokenLogprob) -> dict[str, Any]:
        """One token as OpenAI describes it."""
        content = self.engine.token_bytes(token.token)
        return {
            "token": content.decode("utf-8", "replace"),
            "logprob": max(token.logprob, LOWEST_LOGPROB),
            "bytes": list(content),
        }

    def text_of(self, token: int) -> str:
        """The text of one token."""
        return self.engine.token_bytes(token).decode("utf-8", "replace")


class ChatAnswers(Writer):
    """The answers to a conversation."""

    def __init__(self, engine: AsyncEngine, sampling: SamplingParams, count: int, record: Record = unrecorded) -> None:
        super().__init__(engine, sampling, count, "chatcmpl-", record)
        self.with_logprobs = sampling.top_logprobs is not None

    def whole(self) -> dict[str, Any]:
        """The answers as one object."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": [self._choice(index) for index in range(len(self.parts))],
            "usage": self.usage(),
        }

    def _choice(self, index: int) -> dict[str, Any]:
        part = self.parts[index]
        logprobs = {"content": self.entries(part.logprobs), "refusal": None} if self.with_logprobs else None
        return {
            "index": index,
            "message": {"role": "assistant", "content": part.text, "refusal": None},
            "logprobs": logprobs,
            "finish_reason": part.reason,
        }

    def entries(self, logprobs: Logprobs) -> list[dict[str, Any]]:
        """Log-probabilities as chats have them."""
        return [{**self.logprob(own), "top_logprobs": [self.logprob(each) for each in top]} for own, top in logprobs]


class TextAnswers(Writer):
    """The texts after ``prompts`` prompts, ``n`` for each. ``echoes`` are the prompts' texts, if they are repeated."""

    def __init__(
        self,
        engine: AsyncEngine,
        sampling: SamplingParams,
        *,
        prompts: int,
        n: int,
        echoes: Sequence[str] = (),
        record: Record = unrecorded,
    ) -> None:
        super().__init__(engine, sampling, prompts * n, "cmpl-", record)
        self.prompts = prompts
        self.echoes = [echo for echo in echoes for _ in range(n)]
        self._with_logprobs = sampling.top_logprobs is not None
        self._offsets = [len(echo) for echo in self.echoes] or [0] * (prompts * n)

    def whole(self) -> dict[str, Any]:
        """The answers as one object."""
        echoes = self.echoes or [""] * len(self.parts)
        choices = [
            {
                "index": index,
                "text": echoes[index] + part.text,
                "logprobs": self.listed(index, part.logprobs),
                "finish_reason": part.reason,
            }
            for index, part in enumerate(self.parts)
        ]
        return {**self.completion(choices), "usage": self.usage()}

    def completion(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """What a whole answer and each piece of one have around their choices."""
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        }

    def listed(self, index: int, logprobs: Logprobs) -> dict[str, Any] | None:
        """New log-probabilities in the lists of the old interface, if they were asked for.

        ``text_offset`` counts characters from the beginning of the text.
        """
        if not self._with_logprobs:
            return None
        tokens, offsets = [], []
        for own, _ in logprobs:
            tokens.append(self.text_of(own.token))
            offsets.append(self._offsets[index])
            self._offsets[index] += len(tokens[-1])
        return {
            "tokens": tokens,
            "token_logprobs": [max(own.logprob, LOWEST_LOGPROB) for own, _ in logprobs],
            "top_logprobs": [
                {self.text_of(each.token): max(each.logprob, LOWEST_LOGPROB) for each in top} for _, top in logprobs
            ],
            "text_offset": offsets,
        }


def usage_object(usages: Iterable[Usage], copies: int) -> dict[str, Any]:
    """OpenAI's ``usage``. Each prompt has ``copies`` answers next to each other."""
    every = list(usages)
    prompts = every[::copies]
    prompt = sum(usage.prompt_tokens for usage in prompts)
    completion = sum(usage.completion_tokens for usage in every)
    prompt_seconds = max((usage.prompt_seconds for usage in every), default=0.0)
    completion_seconds = max((usage.completion_seconds for usage in every), default=0.0)
    total_seconds = prompt_seconds + completion_seconds
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(usage.cached_tokens for usage in prompts)},
        "avg_tok_per_sec": _rate(prompt + completion, total_seconds),
        "avg_prompt_tok_per_sec": _rate(prompt, prompt_seconds),
        "avg_compl_tok_per_sec": _rate(completion, completion_seconds),
        "total_time_sec": round(total_seconds, 6),
        "total_prompt_time_sec": round(prompt_seconds, 6),
        "total_completion_time_sec": round(completion_seconds, 6),
    }


def _rate(tokens: int, seconds: float) -> float:
    return round(tokens / seconds, 3) if seconds > 0 else 0.0


_encoder = json.JSONEncoder(separators=(",", ":"))  # json.dumps makes one for each call


def encode(value: Any) -> bytes:
    """JSON without spaces."""
    return _encoder.encode(value).encode()
