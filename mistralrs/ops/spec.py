"""What layers say about themselves: how they attend, what they keep between steps, how they route to experts."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionSpec:
    """How one layer attends. Immutable, so that recorded steps and compiled kernels can be keyed by it.

    ``causal``: a query sees no later position; otherwise all of a text must be in one step.
    ``window``: a query sees itself and the ``window - 1`` positions before it (and after it, when not ``causal``);
    None is no limit.
    ``chunk``: positions are cut into stretches of that many, and a query sees only its own; None is no cut.
    ``softcap``: scores become ``softcap * tanh(scores / softcap)``; None leaves them.
    """

    heads: int
    kv_heads: int
    head_dim: int
    scale: float
    window: int | None = None
    chunk: int | None = None
    softcap: float | None = None
    causal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedSpec:
    """A layer that keeps every key and value, in blocks of the paged cache.

    ``latent``: values are not stored; they are the first ``v_head_dim`` numbers of each key.
    """

    kv_heads: int
    head_dim: int
    v_head_dim: int | None = None
    latent: bool = False

    @property
    def values_per_token(self) -> int:
        """Numbers stored for one token in this layer."""
        if self.latent:
            return self.kv_heads * self.head_dim
        return self.kv_heads * (self.head_dim + (self.v_head_dim or self.head_dim))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSpec:
    """A layer that keeps a tensor of this ``shape`` for each sequence, however long it is, in float32."""

    shape: tuple[int, ...]

    @property
    def values_per_token(self) -> int:
        """Nothing is kept for a token."""
        return 0

    @property
    def values_per_sequence(self) -> int:
        """Numbers kept for one sequence in this layer."""
        return prod(self.shape)


CacheSpec = PagedSpec | StateSpec
"""What a layer keeps between steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSpec:
    """How a token's ``top_k`` experts and their weights come from the router's logits.

    ``scoring``: ``softmax`` over all experts, ``sigmoid`` of each, or ``sparsemixer`` (arXiv 2409.12136), which takes
    the best expert in ``top_k`` rounds and weighs it among those that come within twice ``jitter`` of it. A bias,
    if there is one, counts for the choice only. With ``groups``, experts are chosen from the best ``top_groups`` of
    as many equal groups; a group is as good as the sum of its best ``group_best`` experts. ``normalize``: the weights
    of a token add up to one. ``scale`` multiplies them in the end.
    """

    top_k: int
    scoring: Literal["softmax", "sigmoid", "sparsemixer"] = "softmax"
    normalize: bool = False
    scale: float = 1.0
    groups: int = 1
    top_groups: int = 1
    group_best: int = 1
    jitter: float = 0.0
