"""Layers made of layers, and the elementwise ones that go between."""

from __future__ import annotations

from torch import Tensor, nn

from mistralrs.ops import Step


class Chain(nn.Module):
    """One layer after another."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` through all of them."""
        for layer in self.layers:
            x = layer(x, step)
        return x


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Same shape out as in."""
        return step.ops.scale(x, self.factor)


class Clamp(nn.Module):
    """Keeps values between ``-limit`` and ``limit``."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Same shape out as in."""
        return step.ops.clamp(x, self.limit)
