"""What changes single logits before a token is drawn: DRY, penalties for repetition, and the client's biases."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mistralrs.engine.request import SamplingParams
from mistralrs.engine.vector import Ints, IntVector

Logits = NDArray[np.float32]

DRY_LONGEST_MATCH = 50
"""How far DRY looks back from a repetition; also what keeps its cost linear."""

LARGEST = 1e30
"""Logits are kept within this, so that no penalty or bias makes them infinite."""


class LogitAdjuster:
    """One request's changes to its logits, in the order of the original: DRY, penalties, bias.

    Frequency and presence penalties count the answer only; the repetition penalty sees the prompt too.
    """

    def __init__(self, sampling: SamplingParams, prompt: Ints, breakers: Iterable[int] = ()) -> None:
        self._sampling = sampling
        self._breakers = np.array(sorted(set(breakers)), dtype=np.int64)
        self._bias_tokens = np.array(list(sampling.logit_bias), dtype=np.int64)
        self._bias = np.array(list(sampling.logit_bias.values()), dtype=np.float64)
        self._penalises = (
            sampling.repetition_penalty != 1 or sampling.presence_penalty != 0 or sampling.frequency_penalty != 0
        )
        seen = np.unique(prompt) if sampling.repetition_penalty != 1 else prompt[:0]
        self._index = {token: index for index, token in enumerate(seen.tolist())}
        self._seen = IntVector(seen)
        self._counts = IntVector(np.zeros_like(seen))

    @staticmethod
    def needed(sampling: SamplingParams) -> bool:
        """Whether a request changes its logits at all."""
        return bool(
            sampling.dry_multiplier
            or sampling.repetition_penalty != 1
            or sampling.presence_penalty
            or sampling.frequency_penalty
            or sampling.logit_bias
        )

    def observe(self, token: int) -> None:
        """Count a token of the answer."""
        if not self._penalises:
            return
        index = self._index.setdefault(token, len(self._seen))
        if index == len(self._seen):
            self._seen.append(token)
            self._counts.append(0)
        self._counts.array[index] += 1

    def apply(self, logits: Logits, tokens: Ints) -> None:
        """Change the row ``logits`` ``[vocab]`` in place. ``tokens`` are prompt and answer so far."""
        sampling = self._sampling
        if sampling.dry_multiplier:
            repeated, penalties = dry_penalties(tokens, sampling, self._breakers)
            _set(logits, repeated, logits[repeated] - penalties)
        if self._penalises and len(self._seen):
            seen, counts = self._seen.array, self._counts.array
            values = logits[seen] - counts * sampling.frequency_penalty - (counts > 0) * sampling.presence_penalty
            factor = sampling.repetition_penalty
            _set(logits, seen, np.where(values > 0, values / factor, values * factor))
        if len(self._bias):
            _set(logits, self._bias_tokens, logits[self._bias_tokens] + self._bias)


def _set(logits: Logits, tokens: Ints, values: NDArray[np.float64]) -> None:
    logits[tokens] = np.clip(values, -LARGEST, LARGEST)


def dry_penalties(tokens: Ints, sampling: SamplingParams, breakers: Ints) -> tuple[Ints, NDArray[np.float64]]:
    """Tokens that would prolong a repetition, and what is subtracted from the logit of each.

    Where the last token occurred before, the token that followed then would repeat a sequence of some length. From
    ``dry_allowed_length`` on it costs ``multiplier * base ** (length - allowed_length)``. A breaker ends the
    comparison and is never penalised. Source: text-generation-webui's DRY sampler; match length capped at 50.
    """
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
    excess = longest - sampling.dry_allowed_length
    repeats = excess >= 0
    with np.errstate(over="ignore"):
        penalties = sampling.dry_multiplier * np.power(float(sampling.dry_base), excess[repeats].astype(np.float64))
    return followers[repeats], np.minimum(penalties, LARGEST)
