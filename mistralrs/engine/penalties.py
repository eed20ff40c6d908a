"""What a request changes in its logits before a token is drawn: DRY, penalties for repetition, the client's biases."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mistralrs.engine.request import SamplingParams
from mistralrs.engine.vector import Ints, IntVector
from mistralrs.ops import RowChanges

_NONE = np.empty(0, dtype=np.int64)


class LogitAdjuster:
    """One request's changes to its logits, in the order of the original: DRY, penalties, bias.

    Frequency and presence penalties count the answer only; the repetition penalty sees the prompt too.
    """

    def __init__(self, sampling: SamplingParams, prompt: Ints, breakers: Iterable[int] = ()) -> None:
        penalties = (sampling.repetition_penalty, sampling.presence_penalty, sampling.frequency_penalty)
        self._settings = (sampling.dry_multiplier, sampling.dry_base, float(sampling.dry_allowed_length), *penalties)
        self._breakers = np.array(sorted(set(breakers)), dtype=np.int64)
        self._bias_tokens = np.array(list(sampling.logit_bias), dtype=np.int64)
        self._bias = np.array(list(sampling.logit_bias.values()), dtype=np.float64)
        self._repeats = sampling.dry_multiplier != 0
        self._penalises = penalties != (1, 0, 0)
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

    def changes(self, tokens: Ints) -> RowChanges:
        """What to change now. ``tokens`` are prompt and answer so far; the arrays are valid until the next token."""
        history = tokens if self._repeats else _NONE
        seen, counts = self._seen.array, self._counts.array
        return RowChanges(self._settings, history, self._breakers, seen, counts, self._bias_tokens, self._bias)
