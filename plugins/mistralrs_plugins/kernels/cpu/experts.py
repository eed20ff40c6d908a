"""Products of experts: each expert's rows through the product of its weight."""

from __future__ import annotations

from torch import Tensor

from mistralrs.ops import WeightStack
from mistralrs_plugins.kernels.cpu.single import linear


def expert_linear(x: Tensor, ends: Tensor, stack: WeightStack, bias: Tensor | None) -> Tensor:
    """Rows sorted by expert ``[rows, in]``, where each expert's end ``[experts]``; gives ``[rows, out]``."""
    out = x.new_empty(x.shape[0], stack.each[0].shape[0])
    start = 0
    for expert, end in enumerate(ends.tolist()):
        if end > start:
            out[start:end] = linear(x[start:end], stack.each[expert], None if bias is None else bias[expert])
        start = end
    return out
