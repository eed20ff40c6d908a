"""The token table, and one for positions beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mistralrs.ops import Step, Weight


class Embedding(nn.Module):
    """Looks up rows of ``weight`` ``[vocab, width]``, decoding only those to ``dtype``, times ``scale``."""

    def __init__(self, weight: Weight, dtype: torch.dtype, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.dtype = dtype
        self.scale = scale

    def forward(self, ids: Tensor, step: Step) -> Tensor:
        """``[tokens]`` to ``[tokens, width]``."""
        return step.ops.embed(ids, self.weight, self.dtype, self.scale)


class PositionedEmbedding(nn.Module):
    """The sum of a token's row and its position's row."""

    def __init__(self, tokens: nn.Module, positions: Embedding) -> None:
        super().__init__()
        self.tokens, self.positions = tokens, positions

    def forward(self, ids: Tensor, step: Step) -> Tensor:
        """``[tokens]`` to ``[tokens, width]``."""
        return step.ops.add(self.tokens(ids, step), self.positions(step.positions, step))
