"""What a request changes in its logits before a token is drawn: DRY, penalties for repetition, the client's biases."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mistralrs.engine.request import SamplingParams
from mistralrs.engine.vector import Ints
from mistralrs.ops import LiveChanges


class LogitAdjuster(LiveChanges):
    """One request's changes to its logits, in the order of the original: DRY, penalties, bias.

    Frequency and presence penalties count the answer only; the repetition penalty sees the prompt too.
    """

    def __init__(self, sampling: SamplingParams, prompt: Ints, breakers: Iterable[int] = ()) -> None:
        dry = sampling.dry_multiplier, sampling.dry_base, float(sampling.dry_allowed_length)
        super().__init__(
            (*dry, sampling.repetition_penalty, sampling.presence_penalty, sampling.frequency_penalty),
            prompt,
            np.array(sorted(set(breakers)), dtype=np.int64),
            np.array(list(sampling.logit_bias), dtype=np.int64),
            np.array(list(sampling.logit_bias.values()), dtype=np.float64),
        )

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
