"""What changes single logits before a token is drawn: DRY, penalties for repetition, and the client's biases."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mistralrs.ops import Adjustments, RowChanges

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DRY_LONGEST_MATCH = 50
"""How far DRY looks back from a repetition; also what keeps its cost linear."""

LARGEST = 1e30
"""Logits are kept within this, so that no penalty or bias makes them infinite."""


def adjust(logits: Tensor, changes: Adjustments) -> tuple[Tensor, Tensor]:
    """See :meth:`mistralrs.ops.Ops.adjust`."""
    values, vocab = logits.numpy(), logits.shape[1]
    places: list[Ints] = [np.empty(0, dtype=np.int64)]
    before: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)]
    for row, each in zip(changes.rows.tolist(), changes.split(), strict=True):
        for tokens, old in _change(values[row], each):
            places.append(row * vocab + tokens)
            before.append(old)
    return torch.from_numpy(np.concatenate(places)), torch.from_numpy(np.concatenate(before))


def restore(logits: Tensor, places: Tensor, values: Tensor) -> None:
    """See :meth:`mistralrs.ops.Ops.restore`."""
    flat, known = logits.view(-1).numpy(), places.numpy() >= 0
    # Of a place that is named twice the last assignment counts: the other way round, the first.
    flat[places.numpy()[known][::-1]] = values.numpy()[known][::-1]


def _change(row: NDArray[np.float32], changes: RowChanges) -> list[tuple[Ints, NDArray[np.float32]]]:
    """Change one row; returns tokens and what their logits were, in the order of the changes."""
    multiplier, _, _, factor, presence, frequency = changes.settings
    done = []
    if multiplier and len(changes.history):
        repeated, penalties = dry_penalties(changes)
        done.append((repeated, _set(row, repeated, row[repeated] - penalties)))
    if len(changes.seen):
        seen, counts = changes.seen, changes.counts
        values = row[seen] - counts * frequency - (counts > 0) * presence
        done.append((seen, _set(row, seen, np.where(values > 0, values / factor, values * factor))))
    if len(changes.biased):
        done.append((changes.biased, _set(row, changes.biased, row[changes.biased] + changes.bias)))
    return done


def _set(row: NDArray[np.float32], tokens: Ints, values: Floats) -> NDArray[np.float32]:
    """Write what is finite already, so that nothing hides a damaged row; returns what was there before."""
    before = row[tokens]
    row[tokens] = np.where(np.isfinite(before), np.clip(values, -LARGEST, LARGEST), before)
    return before


def dry_penalties(changes: RowChanges) -> tuple[Ints, Floats]:
    """Tokens that would prolong a repetition, and what is subtracted from the logit of each.

    Where the last token occurred before, the token that followed then would repeat a sequence of some length. From
    the allowed length on it costs ``multiplier * base ** (length - allowed_length)``. A breaker ends the
    comparison and is never penalised. Source: text-generation-webui's DRY sampler; match length capped at 50.
    """
    tokens, breakers = changes.history, changes.breakers
    multiplier, base, allowed_length = changes.settings[:3]
    ends = np.flatnonzero(tokens[:-1] == tokens[-1])
    ends = ends[~np.isin(tokens[ends + 1], breakers)]
    lengths = np.ones(len(ends), dtype=np.int64)
    growing = np.arange(len(ends))
    for back in range(1, DRY_LONGEST_MATCH):
        growing = growing[ends[growing] >= back]
        if not len(growing):
            break
        token = tokens[-1 - back]
        growing = growing[tokens[ends[growing] - back] == token]
        if token in breakers:
            break
        lengths[growing] += 1
    followers, index = np.unique(tokens[ends + 1], return_inverse=True)
    longest = np.zeros(len(followers), dtype=np.int64)
    np.maximum.at(longest, index, lengths)
    excess = longest - int(allowed_length)
    repeats = excess >= 0
    with np.errstate(over="ignore"):
        penalties = multiplier * np.power(float(base), excess[repeats].astype(np.float64))
    return followers[repeats], np.minimum(penalties, LARGEST)
