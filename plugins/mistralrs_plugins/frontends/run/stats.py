"""What an answer cost, as the block of lines below it and as JSON."""

from __future__ import annotations

from typing import Any

from mistralrs.api.answer import Answer, Usage
from mistralrs.api.sampling import SamplingParams
from mistralrs_plugins.frontends.run.conversation import Conversation


def sampling_line(sampling: SamplingParams) -> str:
    """The sampling in one line."""
    shown = f"temp={sampling.temperature:g}, top_k={sampling.top_k}, top_p={sampling.top_p:g}, min_p={sampling.min_p:g}"
    return f"Sampling: {shown}"


def stats_block(answer: Answer, conversation: Conversation) -> str:
    """The ``Stats:`` lines of a finished answer, for people."""
    lines = ["Stats:"]
    if answer.first_token_seconds is not None:
        lines.append(f"CLI time to first token: {answer.first_token_seconds:.2f}s")
    if usage := answer.usage:
        lines += [
            f"Prompt: {usage.prompt_tokens} tokens, {prompt_rate(usage):.2f} T/s",
            f"Decode: {usage.completion_tokens} tokens, {decode_rate(usage):.2f} T/s",
        ]
    if conversation.turns > 1:
        lines.append(f"Prefix cache: {conversation.cache_hits} hits / {conversation.turns} turns")
    return "\n".join([*lines, sampling_line(conversation.sampling)])


def as_object(answer: Answer, model: str, load_seconds: float) -> dict[str, Any]:
    """A finished answer for ``--json``. Times are seconds, rates tokens a second."""
    report: dict[str, Any] = {"model": model, "text": answer.text, "finish_reason": answer.reason}
    timings: dict[str, Any] = {"load": load_seconds, "first_token": answer.first_token_seconds}
    if usage := answer.usage:
        report["usage"] = {
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        }
        timings |= {
            "prompt": usage.prompt_seconds,
            "completion": usage.completion_seconds,
            "prompt_tokens_per_second": prompt_rate(usage),
            "completion_tokens_per_second": decode_rate(usage),
        }
    return {**report, "timings": timings}


def prompt_rate(usage: Usage) -> float:
    """Tokens a second at which the part of the prompt that was not cached went through the model."""
    return _rate(usage.prompt_tokens - usage.cached_tokens, usage.prompt_seconds)


def decode_rate(usage: Usage) -> float:
    """Tokens a second after the first one, which comes out of the prompt's last step."""
    return _rate(usage.completion_tokens - 1, usage.completion_seconds)


def _rate(tokens: int, seconds: float) -> float:
    return tokens / seconds if tokens > 0 and seconds > 0 else 0.0
