"""What a request leaves open: filled from the model's generation_config.json, else from the front end's defaults."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from mistralrs.api.requests import SamplingOptions
from mistralrs.engine.request import SamplingParams
from mistralrs.errors import RequestError

__all__ = ["CHAT_DEFAULTS", "SamplingParams", "model_defaults", "resolve"]

log = logging.getLogger(__name__)

CHAT_DEFAULTS: Final[Mapping[str, Any]] = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
"""What interactive chats use when the model states nothing."""

GENERATION_KEYS: Final = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
SUPPRESSED: Final = -1e9


def model_defaults(generation: Mapping[str, Any], vocab_size: int) -> dict[str, Any]:
    """The usable part of generation_config.json as fields of :class:`SamplingParams`; the rest is logged and left.

    ``do_sample`` false is greedy; ``suppress_tokens`` become a bias nothing overcomes.
    """
    found = {name: generation[name] for name in GENERATION_KEYS if generation.get(name) is not None}
    if generation.get("do_sample") is False:
        found = {"temperature": 0.0}
    suppressed = generation.get("suppress_tokens")
    if isinstance(suppressed, list) and suppressed:
        ids = [token for token in suppressed if type(token) is int and 0 <= token < vocab_size]
        found["logit_bias"] = dict.fromkeys(ids, SUPPRESSED)
    return {name: value for name, value in found.items() if _is_usable(name, value, vocab_size)}


def _is_usable(name: str, value: Any, vocab_size: int) -> bool:
    try:
        SamplingParams(**{name: value}).check(vocab_size)
    except (RequestError, TypeError, OverflowError):
        log.warning("the model's generation_config.json has an unusable %s; it is ignored", name)
        return False
    return True


def resolve(
    options: SamplingOptions, defaults: Mapping[str, Any], fallback: Mapping[str, Any], vocab_size: int
) -> SamplingParams:
    """The request's options over the model's ``defaults``, or over ``fallback`` when the model has none.

    Raises :class:`RequestError` naming the first value out of range.
    """
    given = options.model_dump(exclude_none=True)
    base = dict(defaults or fallback)
    bias = {**base.pop("logit_bias", {}), **given.pop("logit_bias", {})}
    params = SamplingParams(**{**base, **given, "logit_bias": bias})
    params.check(vocab_size)
    return params
