"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864): the layer, and angles that never change."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from mistralrs.ops import AttentionMeta, Ops, Rotary, Step
from mistralrs.ops.ops import RopeStyle


class Rope(nn.Module):
    """Rotates the first numbers of each head by the ``angles`` of their position; the rest passes through."""

    def __init__(self, angles: Rotary, head_dim: int, style: RopeStyle = "halves") -> None:
        super().__init__()
        self.angles = angles
        self.head_dim = head_dim
        self.style: RopeStyle = style

        self._elsewhere: dict[torch.device, Rope] = {}

    def on(self, device: torch.device) -> Rope:
        """The same on ``device``, shared by all who ask for it there."""
        if all(buffer.device == device for buffer in self.buffers()):
            return self
        if device not in self._elsewhere:
            copy = Rope(deepcopy(self.angles), self.head_dim, self.style)
            self._elsewhere[device] = copy.to(device)
        return self._elsewhere[device]

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Rotate every head of ``x`` ``[tokens, heads * head_dim]``."""
        cos, sin = step.rotation(self.angles)
        return step.ops.rope(x, cos, sin, self.head_dim, self.style)


class FixedAngles(nn.Module):
    """Angles proportional to the position: ``inv_freq`` ``[rotary / 2]`` each, cosine and sine times ``factor``."""

    inv_freq: Tensor

    def __init__(self, inv_freq: Tensor, factor: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("inv_freq", inv_freq, persistent=False)
        self.factor = factor

    def forward(self, ops: Ops, positions: Tensor, meta: AttentionMeta) -> tuple[Tensor, Tensor]:
        """See :class:`mistralrs.ops.Rotary`."""
        return ops.rotation(positions, self.inv_freq, self.factor)

    def length_class(self, limit: int) -> int:
        """See :class:`mistralrs.ops.Rotary`."""
        return 0


def plain_frequencies(rotary: int, theta: float, device: torch.device | None = None) -> Tensor:
    """Angle per position of each pair as first published, ``[rotary / 2]`` float32."""
    # On the CPU first: the same numbers everywhere, and arange on the meta device would import half of torch.
    return (1.0 / theta ** (torch.arange(0, rotary, 2, dtype=torch.float32) / rotary)).to(device)
