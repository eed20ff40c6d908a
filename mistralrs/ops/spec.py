"""What an attention layer says about itself: how it attends, and what it keeps between steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionSpec:
    """How one layer attends. Immutable, so that recorded steps and compiled kernels can be keyed by it.

    ``window``: a query sees itself and the ``window - 1`` positions before it; None is the whole past.
    ``softcap``: scores become ``softcap * tanh(scores / softcap)``; None leaves them.
    """

    heads: int
    kv_heads: int
    head_dim: int
    scale: float
    window: int | None = None
    softcap: float | None = None
    causal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedSpec:
    """A layer that keeps every key and value, in blocks of the paged cache."""

    kv_heads: int
    head_dim: int
    v_head_dim: int | None = None

    @property
    def values_per_token(self) -> int:
        """Numbers stored for one token in this layer."""
        return self.kv_heads * (self.head_dim + (self.v_head_dim or self.head_dim))


CacheSpec = PagedSpec
"""What a layer keeps between steps. Windows, latents and recurrent state join when the first model needs them."""
