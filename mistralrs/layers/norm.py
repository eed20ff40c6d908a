"""Normalization."""

from __future__ import annotations

from torch import Tensor, nn

from mistralrs.ops import Step


class RmsNorm(nn.Module):
    """Root-mean-square norm over groups of ``len(weight)`` numbers; ``offset`` is added to the weight (Gemma: 1)."""

    weight: Tensor

    def __init__(self, weight: Tensor, eps: float, offset: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.eps = eps
        self.offset = offset

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Same shape out as in."""
        return step.ops.rms_norm(x, self.weight, self.eps, self.offset)


class LayerNorm(nn.Module):
    """Layer norm over groups of ``group`` numbers; ``weight`` and ``bias`` are ``[group]`` or ``[width]``, or None."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, weight: Tensor | None, bias: Tensor | None, eps: float, group: int) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.eps, self.group = eps, group

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Same shape out as in."""
        return step.ops.layer_norm(x, self.weight, self.bias, self.eps, self.group)
