"""The projection."""

from __future__ import annotations

from torch import Tensor, nn

from mistralrs.ops import Step, Weight


class Linear(nn.Module):
    """``x @ weight.T + bias`` with a weight ``[out, in]`` in any layout a kernel is installed for."""

    bias: Tensor | None

    def __init__(self, weight: Weight, bias: Tensor | None = None) -> None:
        super().__init__()
        self.weight = weight
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, in]`` to ``[tokens, out]``."""
        return step.ops.linear(x, self.weight, self.bias)

    def logits(self, x: Tensor, step: Step) -> Tensor:
        """The same product as the model's last one: float32 ``[rows, vocab]``."""
        return step.ops.head(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes and layout, for ``print(model)``."""
        out, width = self.weight.shape
        return f"in={width}, out={out}, bias={self.bias is not None}, layout={self.weight.layout.name}"
