"""Recurrent states of a ragged batch: which to start from, and sequences of equal length as one batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

from mistralrs.errors import EngineError
from mistralrs.ops import AttentionMeta, StateCache

Carried = Callable[..., tuple[Tensor, Tensor]]


def carry(kernel: Carried, width: int, cache: StateCache, meta: AttentionMeta, *inputs: Tensor) -> Tensor:
    """Run ``kernel(state, *inputs) -> (out, state)`` over every sequence from its own state: ``[tokens, width]``.

    The kernel sees ``n`` sequences of ``t`` tokens: states ``[n, ...]``, inputs and output ``[n, t, ...]``.
    """
    if meta.states_from is None or meta.states_to is None:
        raise EngineError("this model carries states, and the step does not say where they are")
    out = inputs[0].new_empty(inputs[0].shape[0], width)
    fresh = meta.context == meta.query_start.diff()
    for count, rows in _by_length(meta).items():
        which = torch.tensor(rows, device=out.device)
        state = cache.states[meta.states_from[which]]
        # Filled and not multiplied: what lies in the slot of a new sequence may be NaN.
        state = state.masked_fill(fresh[which].view(-1, *[1] * (state.dim() - 1)), 0)
        tokens = meta.query_start[which][:, None] + torch.arange(count, device=out.device)
        result, state = kernel(state, *(part[tokens] for part in inputs))
        out[tokens] = result.to(out.dtype)
        cache.states[meta.states_to[which]] = state
    return out


def _by_length(meta: AttentionMeta) -> dict[int, list[int]]:
    """The batch's sequences by how many new tokens they have."""
    found: dict[int, list[int]] = defaultdict(list)
    for row, count in enumerate(meta.queries):
        if count:
            found[count].append(row)
    return found
