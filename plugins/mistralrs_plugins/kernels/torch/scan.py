"""Scans of state spaces, a chunk of tokens at a time.

Within a chunk every token looks back at the others through a matrix of decays, as in attention; between chunks only
the state goes on. All in float32: a state adds up thousands of tokens.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mistralrs.ops import AttentionMeta, ScanWeights, StateCache
from mistralrs_plugins.kernels.torch.state import carry

CHUNK = 64


def ssd(
    x: Tensor, dt: Tensor, b: Tensor, c: Tensor, weights: ScanWeights, cache: StateCache, meta: AttentionMeta
) -> Tensor:
    """See :meth:`mistralrs.ops.Ops.ssd`. The formulas are those of arXiv 2405.21060, section 6."""
    heads, head_dim, size = cache.states.shape[1:]

    def run(state: Tensor, *new: Tensor) -> tuple[Tensor, Tensor]:
        parts = []
        for chunk in zip(*(part.float().split(CHUNK, dim=1) for part in new), strict=True):
            value, step, key, query = (
                part.unflatten(-1, (-1, last)) for part, last in zip(chunk, (head_dim, 1, size, size), strict=True)
            )
            step = _step_size(step[..., 0], weights)
            key, query = (part.repeat_interleave(heads // part.shape[2], dim=2) for part in (key, query))
            total, between = _decays((step * weights.a).transpose(1, 2))
            # From [n, t, heads, ...] to [n, heads, t, ...], where a chunk is one product of matrices.
            plain, key, query = (part.transpose(1, 2) for part in (value, key, query))
            scaled = plain * step.transpose(1, 2)[..., None]
            out = (query @ key.transpose(-1, -2) * between) @ scaled
            out += query @ state.transpose(-1, -2) * total.exp()[..., None]
            left = (total[..., -1:] - total).exp()[..., None]
            state = state * total[..., -1:, None].exp() + (scaled * left).transpose(-1, -2) @ key
            if weights.d is not None:
                out += plain * weights.d[:, None, None]
            parts.append(out.transpose(1, 2).flatten(2))
        return torch.cat(parts, dim=1), state

    return carry(run, heads * head_dim, cache, meta, x, dt, b, c)


def selective_scan(
    x: Tensor, dt: Tensor, b: Tensor, c: Tensor, weights: ScanWeights, cache: StateCache, meta: AttentionMeta
) -> Tensor:
    """See :meth:`mistralrs.ops.Ops.selective_scan`. Decays differ by state, so it is no product of matrices."""

    def run(state: Tensor, *new: Tensor) -> tuple[Tensor, Tensor]:
        parts = []
        for chunk in zip(*(part.float().split(CHUNK, dim=1) for part in new), strict=True):
            value, step, key, query = chunk
            step = _step_size(step, weights)
            states = _prefix_scan(
                (step[..., None] * weights.a).exp(), (step * value)[..., None] * key[:, :, None], state
            )
            state = states[:, -1]
            out = (states @ query[..., None])[..., 0]
            parts.append(out if weights.d is None else out + value * weights.d)
        return torch.cat(parts, dim=1), state

    return carry(run, x.shape[1], cache, meta, x, dt, b, c)


def delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    alpha: Tensor,
    weights: ScanWeights,
    cache: StateCache,
    meta: AttentionMeta,
) -> Tensor:
    """See :meth:`mistralrs.ops.Ops.delta_rule`. A chunk's corrections solve one triangular system of equations."""
    heads, key_dim, value_dim = cache.states.shape[1:]

    def run(state: Tensor, *new: Tensor) -> tuple[Tensor, Tensor]:
        parts = []
        for chunk in zip(*(part.float().split(CHUNK, dim=1) for part in new), strict=True):
            query, key, value = (
                part.unflatten(-1, (-1, last)).transpose(1, 2)
                for part, last in zip(chunk[:3], (key_dim, key_dim, value_dim), strict=True)
            )
            query, key = (_shared(_unit(part), heads, weights.in_turns) for part in (query, key))
            rate = chunk[3].sigmoid().transpose(1, 2)[..., None]
            total, between = _decays((_step_size(chunk[4], weights) * weights.a).transpose(1, 2))
            grown = total.exp()[..., None]
            system = rate * key @ key.transpose(-1, -2) * between
            wrong = torch.cat((value * rate, key * rate * grown), dim=-1)
            wrong = torch.linalg.solve_triangular(system, wrong, upper=False, unitriangular=True)
            correction = wrong[..., :value_dim] - wrong[..., value_dim:] @ state
            query = query * key_dim**-0.5
            out = query * grown @ state + (query @ key.transpose(-1, -2) * between) @ correction
            left = (total[..., -1:] - total).exp()[..., None]
            state = state * total[..., -1:, None].exp() + (key * left).transpose(-1, -2) @ correction
            parts.append(out.transpose(1, 2).flatten(2))
        return torch.cat(parts, dim=1), state

    return carry(run, heads * value_dim, cache, meta, q, k, v, beta, alpha)


def _step_size(dt: Tensor, weights: ScanWeights) -> Tensor:
    biased = dt if weights.dt_bias is None else dt + weights.dt_bias
    return F.softplus(biased).clamp(*weights.limits)


def _decays(logs: Tensor) -> tuple[Tensor, Tensor]:
    """Of the logarithms ``[..., t]`` of decays: their sums from the start, and decays ``[..., t, s]`` from s to t."""
    total = logs.cumsum(-1)
    between = total[..., :, None] - total[..., None, :]
    later = torch.ones(between.shape[-2:], dtype=torch.bool, device=logs.device).triu(1)
    return total, between.masked_fill(later, float("-inf")).exp()


def _shared(x: Tensor, heads: int, in_turns: bool) -> Tensor:
    """One copy of ``[n, key_heads, ...]`` for each of ``heads``."""
    share = heads // x.shape[1]
    return x.repeat(1, share, 1, 1) if in_turns else x.repeat_interleave(share, dim=1)


def _unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)


def _prefix_scan(decay: Tensor, new: Tensor, state: Tensor) -> Tensor:
    """Every ``state = decay * state + new`` along dimension 1, in as many passes as the length has binary digits."""
    new = torch.cat((new[:, :1] + decay[:, :1] * state[:, None], new[:, 1:]), dim=1)
    reach = 1
    while reach < new.shape[1]:
        new = torch.cat((new[:, :reach], new[:, reach:] + decay[:, reach:] * new[:, :-reach]), dim=1)
        decay = torch.cat((decay[:, :reach], decay[:, reach:] * decay[:, :-reach]), dim=1)
        reach *= 2
    return new
