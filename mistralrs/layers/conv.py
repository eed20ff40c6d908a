"""The short convolution in front of a scan."""

from __future__ import annotations

from torch import Tensor, nn

from mistralrs.ops import Step


class CausalConv(nn.Module):
    """Convolves each channel with the tokens before it; ``weight`` is ``[channels, width]``.

    ``cache`` is the handle that the weight builder gave for its state ``[channels, width - 1]``.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, cache: int, weight: Tensor, bias: Tensor | None = None, activation: str | None = None) -> None:
        super().__init__()
        self.cache = cache
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.activation = activation

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, channels]`` to the same."""
        return step.ops.conv(x, self.weight, self.bias, self.activation, *step.state(self.cache))
