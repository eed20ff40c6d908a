"""One request on its way through the engine."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from mistralrs.engine.output import OutputText
from mistralrs.engine.penalties import LogitAdjuster
from mistralrs.engine.request import Generate
from mistralrs.engine.vector import Ints, IntVector

if TYPE_CHECKING:
    from mistralrs.engine.states import SequenceStates


class Status(Enum):
    """Where a sequence is. A preempted one waits again."""

    WAITING = auto()
    RUNNING = auto()
    FINISHED = auto()


class Sequence:
    """Prompt and answer of one request, and how much of them the cache holds.

    ``tokens`` are prompt and answer; the keys and values of the first ``computed`` of them are in ``blocks``. There is
    no difference between prefill and decode but how many tokens are ``pending``: after preemption the answer so far
    is computed again like a prompt. ``keys`` name the full blocks of ``tokens`` for the prefix cache, and the first
    ``published`` of them have been handed to it. ``limit`` is the length it may reach, which some models rotate
    positions by; ``cache_class`` keeps keys of different rotations apart. ``states`` are its slots for recurrent
    layers while it runs, None for models without any.
    """

    __slots__ = (
        "adjuster",
        "admitted_at",
        "arrived_at",
        "blocks",
        "cached_tokens",
        "computed",
        "first_token_at",
        "id",
        "keys",
        "limit",
        "output",
        "prompt_length",
        "published",
        "request",
        "salt",
        "sampling",
        "seed",
        "states",
        "status",
        "tokens",
    )

    def __init__(
        self,
        request: Generate,
        prompt: Ints,
        *,
        seed: int,
        output: OutputText,
        adjuster: LogitAdjuster | None,
        arrived_at: float,
        limit: int = 0,
        cache_class: bytes = b"",
    ) -> None:
        self.id = request.id
        self.request = request
        self.sampling = request.sampling
        self.limit = limit
        self.salt = b"%b:%b" % (cache_class, request.cache_salt.encode("utf-8", "surrogatepass"))
        self.seed = seed
        self.output = output
        self.adjuster = adjuster
        self.status = Status.WAITING
        self.tokens = IntVector(prompt)
        self.prompt_length = len(prompt)
        self.blocks = IntVector()
        self.states: SequenceStates | None = None
        self.computed = 0
        self.keys: list[bytes] = []
        self.published = 0
        self.cached_tokens = 0
        self.arrived_at = arrived_at
        self.admitted_at: float | None = None
        self.first_token_at: float | None = None

    @property
    def length(self) -> int:
        """Tokens of prompt and answer."""
        return len(self.tokens)

    @property
    def generated(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - self.prompt_length

    @property
    def pending(self) -> int:
        """Tokens that must be computed before the next one can be sampled."""
        return len(self.tokens) - self.computed

    @property
    def is_greedy(self) -> bool:
        """Whether the next token is just the most likely one, and nothing else is wanted of its row."""
        return self.adjuster is None and self.sampling.is_greedy and self.sampling.top_logprobs is None

    def append(self, token: int) -> None:
        """Add a sampled token to the answer."""
        self.tokens.append(token)
        if self.adjuster is not None:
            self.adjuster.observe(token)
