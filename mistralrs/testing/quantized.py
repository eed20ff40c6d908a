"""Tensors stored in eight bits, for tests: what a model computes must not depend on how its weights are stored."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mistralrs.layouts import LAYOUTS
from mistralrs.ops import Weight
from mistralrs.weights import DictSource

Q8_0 = LAYOUTS["q8_0"]


def to_q8_0(values: Tensor) -> Weight:
    """``[..., width]`` as Q8_0: blocks of 32 signed bytes under one half-precision scale (ggml-common.h)."""
    blocks = values.float().reshape(-1, Q8_0.block)
    scales = (blocks.abs().amax(-1, keepdim=True) / 127).half()
    steps = (blocks / scales.float().clamp_min(1e-12)).round().clamp(-127, 127).to(torch.int8)
    data = torch.cat((scales.view(torch.uint8), steps.view(torch.uint8)), dim=-1)
    shape = tuple(values.shape)
    return Weight(data.view(*shape[:-1], Q8_0.row_bytes(shape[-1])), Q8_0, shape)


class EightBitSource(DictSource):
    """A dictionary whose matrices are stored as Q8_0 where their rows are whole blocks."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self._stored = {
            name: to_q8_0(tensor)
            for name, tensor in tensors.items()
            if tensor.dim() == 2 and tensor.shape[-1] % Q8_0.block == 0
        }

    def get(self, name: str, shape: tuple[int, ...]) -> Weight:
        """The tensor as it is stored."""
        return self._stored.get(name) or super().get(name, shape)

    def decoded(self) -> dict[str, Tensor]:
        """The values a model may compute with."""
        return {name: self._stored[name].to_dense() if name in self._stored else t for name, t in self.tensors.items()}
