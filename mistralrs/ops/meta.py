"""Where a step's tokens go in the paged cache, and which cached tokens each of them may see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mistralrs.ops.spec import PagedSpec, StateSpec


@dataclass(slots=True)
class LayerCache:
    """One layer's share of the paged cache.

    ``k`` is ``[blocks, block_size, kv_heads, head_dim]``, ``v`` the same with the value head size. In a latent cache
    ``v`` is a view of ``k``: what is written as a key is the value too.
    """

    k: Tensor
    v: Tensor

    @classmethod
    def empty(
        cls, spec: PagedSpec, blocks: int, block_size: int, dtype: torch.dtype, device: torch.device | None = None
    ) -> LayerCache:
        """Room for what a layer keeps; its contents are undefined."""
        v_dim = spec.v_head_dim or spec.head_dim
        k = torch.empty(blocks, block_size, spec.kv_heads, spec.head_dim, dtype=dtype, device=device)
        if spec.latent:
            return cls(k, k[..., :v_dim])
        return cls(k, torch.empty(blocks, block_size, spec.kv_heads, v_dim, dtype=dtype, device=device))

    @property
    def block_size(self) -> int:
        """Tokens per block."""
        return self.k.shape[1]


@dataclass(slots=True)
class StateCache:
    """One layer's share of the state pool: ``states`` is ``[slots, *shape]`` float32."""

    states: Tensor

    @classmethod
    def empty(cls, spec: StateSpec, slots: int, device: torch.device | None = None) -> StateCache:
        """Room for ``slots`` states; their contents are undefined."""
        return cls(torch.empty(slots, *spec.shape, dtype=torch.float32, device=device))


@dataclass(slots=True)
class AttentionMeta:
    """The ragged batch of one step: sequences one after another, each with some new tokens.

    Tensors are int64 on the step's device. ``query_start`` ``[seqs + 1]`` bounds each sequence's new tokens;
    ``context`` ``[seqs]`` is its length in the cache with the new tokens counted; ``slots`` ``[tokens]`` is where each
    new token's key and value go (block * block_size + offset); ``blocks`` ``[seqs, max_blocks]`` are its block
    numbers, padded with zeros. ``queries`` and ``contexts`` are the same lengths as plain ints. ``limits`` ``[tokens]``
    is, for every new token, the length its sequence may reach; only models whose positions depend on it need it.

    ``types`` ``[tokens]`` is 1 for tokens of the second of two texts; None where all are 0.

    ``states_from`` and ``states_to`` ``[seqs]`` are the slots where each sequence's recurrent states are read and
    written; they differ, so that a step that fails can be run again. A sequence whose first token is among the new
    ones starts from zeros, whatever its slot holds. None for models without such layers.
    """

    query_start: Tensor
    context: Tensor
    slots: Tensor
    blocks: Tensor
    queries: list[int]
    contexts: list[int]
    limits: Tensor | None = None
    types: Tensor | None = None
    states_from: Tensor | None = None
    states_to: Tensor | None = None
