"""From the hidden states of a text to the one vector that stands for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor


def _mean(hidden: Tensor) -> Tensor:
    return hidden.mean(0)


def _mean_by_root(hidden: Tensor) -> Tensor:
    return hidden.sum(0) / math.sqrt(hidden.shape[0])


def _weighted_mean(hidden: Tensor) -> Tensor:
    weights = torch.arange(1, hidden.shape[0] + 1, dtype=hidden.dtype, device=hidden.device)
    return (hidden * weights[:, None]).sum(0) / weights.sum()


def _largest(hidden: Tensor) -> Tensor:
    return hidden.amax(0)


def _first(hidden: Tensor) -> Tensor:
    return hidden[0]


def _last(hidden: Tensor) -> Tensor:
    return hidden[-1]


POOLINGS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "cls": _first,
    "lasttoken": _last,
    "max": _largest,
    "mean": _mean,
    "mean_sqrt_len": _mean_by_root,
    "weightedmean": _weighted_mean,
}
"""The ways to make one vector out of many, under sentence-transformers' names."""

_ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "identity": lambda x: x,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


@dataclass(frozen=True, slots=True)
class Projection:
    """A layer behind the pooling: ``weight`` ``[out, in]``, ``bias`` ``[out]`` or None, then an activation's name."""

    weight: Tensor
    bias: Tensor | None
    activation: str = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooler:
    """What follows the model: several ``poolings`` are laid side by side, ``projections`` come next.

    ``normalize`` scales the result to length one.
    """

    poolings: tuple[str, ...]
    projections: tuple[Projection, ...] = ()
    activation: str = "identity"
    normalize: bool = False

    def rows(self, count: int) -> range:
        """Which of a text's ``count`` tokens have to be computed to the end."""
        if self.poolings == ("cls",):
            return range(1)
        return range(count - 1, count) if self.poolings == ("lasttoken",) else range(count)

    def vector(self, hidden: Tensor) -> Tensor:
        """``[rows, width]`` of the tokens that :meth:`rows` names to float32 ``[width]``."""
        hidden = hidden.float()
        out = torch.cat([POOLINGS[pooling](hidden) for pooling in self.poolings])
        for step in self.projections:
            bias = None if step.bias is None else step.bias.float()
            out = _ACTIVATIONS[step.activation](F.linear(out, step.weight.float(), bias))
        out = _ACTIVATIONS[self.activation](out)
        return F.normalize(out, dim=0) if self.normalize else out


PROJECTION_ACTIVATIONS: Final = frozenset(_ACTIVATIONS)
