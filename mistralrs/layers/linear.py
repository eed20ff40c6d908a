"""The projection."""

from __future__ import annotations

from torch import Tensor, nn

from mistralrs.ops import Step, Weight


def weight_of(layer: nn.Module) -> Weight:
    """The weight of a finished projection, for layers that multiply with it in their own way.

    Raises TypeError when a quantization method made something else than a :class:`Linear`.
    """
    if not isinstance(layer, Linear):
        raise TypeError(f"a Linear over a Weight is needed here, not a {type(layer).__name__}")
    return layer.weight


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
