"""Where a step's tokens go in the paged cache, and which cached tokens each of them may see."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(slots=True)
class LayerCache:
    """One layer's share of the paged cache.

    ``k`` is ``[blocks, block_size, kv_heads, head_dim]``, ``v`` the same with the value head size.
    """

    k: Tensor
    v: Tensor

    @property
    def block_size(self) -> int:
        """Tokens per block."""
        return self.k.shape[1]


@dataclass(slots=True)
class AttentionMeta:
    """The ragged batch of one step: sequences one after another, each with some new tokens.

    Tensors are int64 on the step's device. ``query_start`` ``[seqs + 1]`` bounds each sequence's new tokens;
    ``context`` ``[seqs]`` is its length in the cache with the new tokens counted; ``slots`` ``[tokens]`` is where each
    new token's key and value go (block * block_size + offset); ``blocks`` ``[seqs, max_blocks]`` are its block
    numbers, padded with zeros. ``queries`` and ``contexts`` are the same lengths as plain ints. ``limits`` ``[tokens]``
    is, for every new token, the length its sequence may reach; only models whose positions depend on it need it.
    """

    query_start: Tensor
    context: Tensor
    slots: Tensor
    blocks: Tensor
    queries: list[int]
    contexts: list[int]
    limits: Tensor | None = None
