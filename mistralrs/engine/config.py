"""What an engine is told once, when it starts."""

from __future__ import annotations

from dataclasses import dataclass

from mistralrs.errors import UsageError

BLOCK_SIZES = (8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Sizes and limits of one engine.

    ``context_length``: tokens of prompt and answer together. ``max_batched_tokens``: new tokens a step computes over
    all sequences. ``max_waiting``: requests that may queue before new ones are refused. ``vocab_size``: ids that a
    request may name. ``cache_namespace``: what cached keys and values depend on besides tokens. ``num_states``: slots
    for the states of recurrent layers, two for each sequence that runs, and more to keep states of prefixes.
    """

    num_blocks: int
    context_length: int
    vocab_size: int
    num_states: int = 0
    eos_ids: frozenset[int] = frozenset()
    block_size: int = 32
    max_seqs: int = 32
    max_batched_tokens: int = 4096
    max_waiting: int = 1024
    prefix_cache: bool = True
    cache_namespace: bytes = b""
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.block_size not in BLOCK_SIZES:
            raise UsageError(f"block_size must be 8, 16 or 32, not {self.block_size}")
        for name in ("num_blocks", "context_length", "vocab_size", "max_seqs", "max_waiting"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.num_states < 0 or self.num_states == 1:
            raise UsageError(f"num_states must be 0 or at least 2, not {self.num_states}")
        if self.max_batched_tokens < self.max_seqs:
            # Every running sequence can then advance in every step, so nothing can starve.
            raise UsageError(
                f"max_batched_tokens ({self.max_batched_tokens}) is less than max_seqs ({self.max_seqs})",
                "a step must have room for one token of each sequence",
            )

    @property
    def cache_tokens(self) -> int:
        """Tokens that the whole cache can hold."""
        return self.num_blocks * self.block_size

    def blocks_for(self, tokens: int) -> int:
        """Blocks that hold ``tokens`` tokens of one sequence."""
        return -(-tokens // self.block_size)
