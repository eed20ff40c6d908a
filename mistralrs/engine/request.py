"""The engine's messages: plain, picklable data that crosses the queue pair between a front end and its engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple, overload

from mistralrs.errors import RequestError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_LOGPROBS = 20
MAX_STOPS = 64
MAX_STOP_CHARS = 4096
MAX_BREAKERS = 64
MAX_BREAKER_CHARS = 64
GREEDY_BELOW = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How tokens are chosen. Defaults are the neutral ones: temperature 1 and every filter off.

    ``temperature`` below 1e-7 is greedy. ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 switch a filter off.
    ``top_logprobs`` None returns no log-probabilities, 0 only the chosen token's. ``seed`` None draws one.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    logit_bias: dict[int, float] = field(default_factory=dict)
    seed: int | None = None
    top_logprobs: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False

    @property
    def is_greedy(self) -> bool:
        """Whether the most likely token is taken; no temperature this low can be divided by."""
        return self.temperature < GREEDY_BELOW

    _RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "temperature": (0.0, 100.0),
        "top_k": (0, 2**31 - 1),
        "top_p": (0.0, 1.0),
        "min_p": (0.0, 1.0),
        "repetition_penalty": (1e-3, 1e3),
        "presence_penalty": (-100.0, 100.0),
        "frequency_penalty": (-100.0, 100.0),
        "dry_multiplier": (0.0, 100.0),
        "dry_base": (0.0, 100.0),
        "dry_allowed_length": (0, 2**31 - 1),
        "top_logprobs": (0, MAX_LOGPROBS),
        "max_tokens": (1, 2**31 - 1),
        "seed": (-(2**63), 2**64 - 1),
    }

    def check(self, vocab_size: int) -> None:
        """Raise :class:`RequestError` naming the first field out of range, with the limit and the value."""
        for name, (low, high) in self._RANGES.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise RequestError(f"{name} must be between {low:g} and {high:g}, not {value}", param=name)
        if len(self.stop) > MAX_STOPS or any(not 0 < len(text) <= MAX_STOP_CHARS for text in self.stop):
            limits = f"at most {MAX_STOPS} non-empty strings of at most {MAX_STOP_CHARS} characters"
            raise RequestError(f"stop takes {limits}", param="stop")
        breakers = self.dry_sequence_breakers
        if len(breakers) > MAX_BREAKERS or any(len(text) > MAX_BREAKER_CHARS for text in breakers):
            limits = f"at most {MAX_BREAKERS} strings of at most {MAX_BREAKER_CHARS} characters"
            raise RequestError(f"dry_sequence_breakers takes {limits}", param="dry_sequence_breakers")
        for name in ("logit_bias", "stop_token_ids"):
            for token in getattr(self, name):
                if not 0 <= token < vocab_size:
                    message = f"{name}: token id {token} is outside the vocabulary of {vocab_size}"
                    raise RequestError(message, param=name)
        if not all(math.isfinite(bias) for bias in self.logit_bias.values()):
            raise RequestError("logit_bias values must be finite numbers", param="logit_bias")


class FinishReason(StrEnum):
    """Why a request ended."""

    STOP = "stop"
    LENGTH = "length"
    ABORT = "canceled"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """Start a request. ``id`` is chosen by the sender's own counter, never by a client.

    ``truncate`` shortens a prompt over the context limit from its beginning instead of refusing it. Requests share
    cached prefixes only with those of the same ``cache_salt``.
    """

    id: int
    prompt: tuple[int, ...]
    sampling: SamplingParams = field(default_factory=SamplingParams)
    truncate: bool = False
    skip_special_tokens: bool = True
    cache_salt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embed:
    """Turn token ids into numbers: a vector, or the scores of a classifier.

    ``second`` is where the second of two texts begins, which some models mark. ``truncate`` shortens a prompt over the
    limit from its end instead of refusing it.
    """

    id: int
    prompt: tuple[int, ...]
    second: int | None = None
    truncate: bool = False


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop a request wherever it is; it still ends with one :class:`Finished`."""

    id: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Finish everything with ``canceled`` and end the loop."""


class TokenLogprob(NamedTuple):
    """Natural log of the raw distribution's probability, before temperature and filters."""

    token: int
    logprob: float


class Likeliest(Sequence[TokenLogprob]):
    """The likeliest tokens at one place. Each is put together when it is looked at: large batches have thousands.

    ``tokens`` are int64 and ``logprobs`` float64, as they lie in memory: quick to make, and to send.
    """

    __slots__ = ("_logprobs", "_tokens")

    def __init__(self, tokens: bytes = b"", logprobs: bytes = b"") -> None:
        self._tokens = tokens
        self._logprobs = logprobs

    def __len__(self) -> int:
        return len(self._tokens) // 8

    @overload
    def __getitem__(self, index: int) -> TokenLogprob: ...

    @overload
    def __getitem__(self, index: slice) -> Likeliest: ...

    def __getitem__(self, index: int | slice) -> TokenLogprob | Likeliest:
        tokens, logprobs = memoryview(self._tokens).cast("q"), memoryview(self._logprobs).cast("d")
        if isinstance(index, slice):
            return Likeliest(tokens[index].tobytes(), logprobs[index].tobytes())
        return TokenLogprob(tokens[index], logprobs[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class Tokens(NamedTuple):
    """New output of a request: token ids, and the text that became certain with them (may be empty).

    ``tokens`` is everything the model chose, an end-of-sequence token too; ``text`` shows neither that nor stops.
    """

    id: int
    tokens: tuple[int, ...]
    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    top_logprobs: tuple[Sequence[TokenLogprob], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a request cost, by default nothing. Times are seconds of wall clock."""

    prompt_tokens: int
    cached_tokens: int = 0
    completion_tokens: int = 0
    queue_seconds: float = 0.0
    prompt_seconds: float = 0.0
    completion_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The one terminal message of every accepted request. ``error`` is set when the reason is ERROR."""

    id: int
    reason: FinishReason
    usage: Usage
    stop: str | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What an :class:`Embed` was turned into: ``values`` is float32 ``[width]``."""

    id: int
    values: npt.NDArray[np.float32]


Request = Generate | Embed
"""What is answered by exactly one :class:`Finished`."""
EngineInput = Request | Abort | Shutdown
EngineOutput = Tokens | Embedded | Finished
