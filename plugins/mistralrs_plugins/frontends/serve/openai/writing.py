"""What chat and text answers have in common on the wire: ids, usage, reasons, log-probabilities."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mistralrs.api.asynchronous import AsyncEngine, Finished, FinishReason, SamplingParams, TokenLogprob, Tokens, Usage

FINGERPRINT = "local"
Record = Callable[[str, str], None]
DONE = b"data: [DONE]\n\n"
LOWEST_LOGPROB = -9999.0
"""Stands for minus infinity, which JSON cannot say."""


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


def encode(value: Any) -> bytes:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()
