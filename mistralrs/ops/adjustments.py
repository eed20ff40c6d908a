"""What requests change in their rows of logits before a token is drawn: penalties, DRY and biases, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]


class RowChanges(NamedTuple):
    """What one request changes, in this order: DRY, penalties, biases.

    ``settings`` are DRY's multiplier, base and allowed length, then the repetition, presence and frequency penalty.
    ``history`` are the tokens DRY looks for repetitions in, none when it is off; ``breakers`` (rising) end them.
    ``seen`` are the tokens to penalise, each once, and ``counts`` how often the answer has each. ``bias`` is added to
    the logits of ``biased``, in which no token occurs twice.
    """

    settings: tuple[float, float, float, float, float, float]
    history: Ints
    breakers: Ints
    seen: Ints
    counts: Ints
    biased: Ints
    bias: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Adjustments:
    """The changes of several rows, in main memory: what is theirs lies one after another.

    ``rows`` ``[n]`` are the rows of the logits, ``settings`` ``[n, 6]``, and ``ends`` ``[n, 4]`` say where each one's
    share of history, breakers, seen (and counts) and biased (and bias) ends. See :class:`RowChanges`.
    """

    rows: Tensor
    settings: Tensor
    ends: Tensor
    history: Tensor
    breakers: Tensor
    seen: Tensor
    counts: Tensor
    biased: Tensor
    bias: Tensor

    @classmethod
    def of(cls, rows: Sequence[int], each: Sequence[RowChanges]) -> Adjustments:
        """Put the changes ``each`` of ``rows`` together; there is at least one."""
        settings, *parts = zip(*each, strict=True)
        joined = [torch.from_numpy(np.concatenate(part)) for part in parts]
        sizes = [[len(part[index]) for part in (parts[0], parts[1], parts[2], parts[4])] for index in range(len(each))]
        ends = torch.from_numpy(np.array(sizes, dtype=np.int64).cumsum(axis=0))
        return cls(
            torch.from_numpy(np.array(rows, dtype=np.int64)), torch.from_numpy(np.array(settings)), ends, *joined
        )

    def split(self) -> list[RowChanges]:
        """The changes of each row again."""
        starts = [[0] * 4, *self.ends.tolist()]
        found = []
        for settings, first, last in zip(self.settings.tolist(), starts, self.ends.tolist(), strict=False):
            history, breakers, seen, biased = (slice(*pair) for pair in zip(first, last, strict=True))
            parts = [self.history[history], self.breakers[breakers], self.seen[seen], self.counts[seen]]
            parts += [self.biased[biased], self.bias[biased]]
            found.append(RowChanges(tuple(settings), *(part.numpy() for part in parts)))
        return found
