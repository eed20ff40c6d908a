"""Turns a request into a sequence, or refuses it: the one place where a prompt is checked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Container
from functools import lru_cache

import numpy as np
from tokenizers import Tokenizer

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.output import OutputText, TokenDecoder
from mistralrs.engine.penalties import LogitAdjuster
from mistralrs.engine.request import Generate, SamplingParams
from mistralrs.engine.sequence import Sequence
from mistralrs.engine.vector import Ints
from mistralrs.errors import RequestError

BREAKER_CACHE = 4096
"""Breakers whose token is remembered; they are chosen by clients."""


def check_room(config: EngineConfig, request_id: int, known: Container[int], waiting: int) -> None:
    """Raises :class:`RequestError` for an id that is ``known`` and when too many requests are ``waiting``."""
    if request_id in known:
        raise RequestError(f"request {request_id} exists already", param="id", code="duplicate_id")
    if waiting >= config.max_waiting:
        raise RequestError(f"{config.max_waiting} requests are waiting already", "try again later", code="overloaded")


def token_array(prompt: tuple[int, ...]) -> Ints | None:
    """The ids as an array, or None for what is no list of integers."""
    try:
        ids = np.array(prompt)
    except (ValueError, OverflowError):
        return None
    return ids.astype(np.int64) if ids.ndim == 1 and ids.dtype.kind == "i" else None


def check_vocabulary(ids: Ints, size: int, param: str, prefix: str = "") -> None:
    """Raises :class:`RequestError` naming the first id that is not one of ``size`` tokens."""
    if len(outside := ids[(ids < 0) | (ids >= size)]):
        raise RequestError(f"{prefix}token id {outside[0]} is outside the vocabulary of {size}", param=param)


class Admission:
    """Checks requests against the engine's limits and builds what they need while they run."""

    def __init__(
        self, config: EngineConfig, tokenizer: Tokenizer | None, cache_class: Callable[[int], bytes] = lambda limit: b""
    ) -> None:
        """``cache_class(limit)``: what cached keys of a sequence of that limit depend on besides its tokens."""
        self._config = config
        self._tokenizer = tokenizer
        self._cache_class = cache_class
        self._decoder = TokenDecoder(tokenizer)
        self._seeds = random.Random(config.seed)
        self._breaker = lru_cache(BREAKER_CACHE)(self._last_token)

    def accept(self, request: Generate) -> Sequence:
        """The sequence of a request. Raises :class:`RequestError` for anything that cannot be served as it stands."""
        sampling = request.sampling
        sampling.check(self._config.vocab_size)
        prompt = self._fit(request, self._token_ids(request.prompt))
        limit = min(self._config.context_length, len(prompt) + (sampling.max_tokens or self._config.context_length))
        stream = self._decoder.stream(skip_special_tokens=request.skip_special_tokens)
        return Sequence(
            request,
            prompt,
            seed=self._seeds.getrandbits(64) if sampling.seed is None else sampling.seed,
            output=OutputText(stream, sampling.stop),
            adjuster=self._adjuster(sampling, prompt),
            arrived_at=time.perf_counter(),
            limit=limit,
            cache_class=self._cache_class(limit),
        )

    def _token_ids(self, prompt: tuple[int, ...]) -> Ints:
        """The prompt as an array, every number of which is a token of the vocabulary."""
        if not prompt:
            raise RequestError("the prompt is empty", "send at least one token", param="prompt")
        if (ids := token_array(prompt)) is None:
            raise RequestError("the prompt must be a list of token ids", param="prompt")
        check_vocabulary(ids, self._config.vocab_size, "prompt", "prompt: ")
        return ids

    def _fit(self, request: Generate, prompt: Ints) -> Ints:
        """The prompt, shortened from its beginning if it is too long and the request allows it."""
        config = self._config
        limit = config.context_length
        if len(prompt) > limit:
            if not request.truncate:
                raise RequestError(
                    f"the prompt has {len(prompt)} tokens, the context is limited to {limit}",
                    "shorten the prompt or allow it to be truncated",
                    param="prompt",
                    code="context_length_exceeded",
                )
            prompt = prompt[-max(1, limit - (request.sampling.max_tokens or 1)) :]
        if len(prompt) > config.cache_tokens:
            raise RequestError(
                f"the prompt has {len(prompt)} tokens, the whole cache holds {config.cache_tokens}",
                "shorten the prompt or give the engine a larger cache",
                param="prompt",
                code="context_too_large_for_cache",
            )
        return prompt

    def _adjuster(self, sampling: SamplingParams, prompt: Ints) -> LogitAdjuster | None:
        if not LogitAdjuster.needed(sampling):
            return None
        texts = sampling.dry_sequence_breakers if sampling.dry_multiplier else ()
        breakers = (self._breaker(text) for text in texts)
        return LogitAdjuster(sampling, prompt, [token for token in breakers if token is not None])

    def _last_token(self, breaker: str) -> int | None:
        """The token a DRY breaker ends with inside a text."""
        if self._tokenizer is None or not breaker:
            return None
        ids = self._tokenizer.encode("a" + breaker, add_special_tokens=False).ids
        return ids[-1] if ids else None
