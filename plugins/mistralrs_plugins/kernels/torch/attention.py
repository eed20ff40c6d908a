"""Attention over the paged cache: gather the blocks, then ordinary scaled dot-product attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mistralrs.ops import AttentionMeta, AttentionSpec, LayerCache

_GATHER_LIMIT = 1 << 26
"""Most numbers gathered at once for a batch of decode steps (256 MiB in float32); beyond it, one by one."""


def write_kv(k: Tensor, v: Tensor, cache: LayerCache, meta: AttentionMeta) -> None:
    """Scatter the new tokens' keys and values into their slots."""
    for pool, new in ((cache.k, k), (cache.v, v)):
        flat = pool.view(-1, *pool.shape[2:])
        flat.index_copy_(0, meta.slots, new.view(-1, *pool.shape[2:]).to(pool.dtype))


def write_latent(latent: Tensor, cache: LayerCache, meta: AttentionMeta) -> None:
    """Scatter the new tokens' latents, which are keys and values at once."""
    flat = cache.k.view(-1, *cache.k.shape[2:])
    flat.index_copy_(0, meta.slots, latent.view(-1, *cache.k.shape[2:]).to(flat.dtype))


def attend(
    q: Tensor, cache: LayerCache, meta: AttentionMeta, spec: AttentionSpec, sinks: Tensor | None = None
) -> Tensor:
    """Every sequence's new tokens over its own past."""
    q = q.view(q.shape[0], spec.heads, spec.head_dim)
    longest = max(meta.contexts)
    decode = len(meta.queries) == q.shape[0]
    if decode and len(meta.queries) * longest * spec.kv_heads * spec.head_dim <= _GATHER_LIMIT:
        return _decode(q, cache, meta, spec, longest, sinks)
    out = q.new_empty(q.shape[0], spec.heads, cache.v.shape[-1])
    start = 0
    for row, (count, context) in enumerate(zip(meta.queries, meta.contexts, strict=True)):
        blocks = meta.blocks[row, : -(-context // cache.block_size)]
        k, v = (pool[blocks].flatten(0, 1)[:context] for pool in (cache.k, cache.v))
        positions = torch.arange(context - count, context, device=q.device)
        seen = _visible(positions, torch.arange(context, device=q.device), spec)
        out[start : start + count] = _dot_product(q[start : start + count], k, v, seen, spec, sinks)
        start += count
    return out.flatten(1)


def _decode(
    q: Tensor, cache: LayerCache, meta: AttentionMeta, spec: AttentionSpec, longest: int, sinks: Tensor | None
) -> Tensor:
    """One token per sequence: all of them as one padded batch."""
    blocks = meta.blocks[:, : -(-longest // cache.block_size)]
    keys = torch.arange(longest, device=q.device)
    # Beyond a sequence's end lie other sequences' blocks or raw memory: even times zero, a NaN there would be one.
    beyond = (keys >= meta.context[:, None])[:, :, None, None]
    k, v = (pool[blocks].flatten(1, 2)[:, :longest].masked_fill(beyond, 0) for pool in (cache.k, cache.v))
    seen = _visible(meta.context - 1, keys, spec)
    return _dot_product(q[:, None], k, v, seen[:, None, None], spec, sinks).flatten(1)


def _visible(positions: Tensor, keys: Tensor, spec: AttentionSpec) -> Tensor:
    """Which keys each position may see: bool ``[positions, keys]``."""
    behind = positions[:, None] - keys
    if spec.causal:
        seen = behind >= 0
    else:
        behind = behind.abs()  # a window reaches as far to the other side
        seen = torch.ones_like(behind, dtype=torch.bool)
    if spec.chunk:
        seen &= positions[:, None] // spec.chunk == keys // spec.chunk
    return seen & (behind < spec.window) if spec.window else seen


def _dot_product(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, spec: AttentionSpec, sinks: Tensor | None) -> Tensor:
    """``[..., tokens, heads, dim]`` over ``[..., keys, kv_heads, dim]``."""
    q, k, v = (part.transpose(-2, -3) for part in (q, k.to(q.dtype), v.to(q.dtype)))
    if spec.softcap is None and sinks is None:
        gqa = spec.heads != spec.kv_heads
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=spec.scale, enable_gqa=gqa)
        return out.transpose(-2, -3)
    group = spec.heads // spec.kv_heads
    k, v = k.repeat_interleave(group, -3), v.repeat_interleave(group, -3)
    scores = q @ k.transpose(-1, -2) * spec.scale
    if spec.softcap is not None:
        scores = torch.tanh(scores / spec.softcap) * spec.softcap
    scores = scores.masked_fill(~seen, float("-inf")).float()
    if sinks is not None:
        column = sinks.float()[:, None, None].expand(*scores.shape[:-1], 1)
        scores = torch.cat((scores, column), -1)
    weights = scores.softmax(-1)[..., : k.shape[-2]].to(v.dtype)
    return (weights @ v).transpose(-2, -3)
