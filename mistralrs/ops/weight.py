"""A weight as it lies in memory: plain floats or quantized blocks, with the layout that says which."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mistralrs.layouts import BF16, F16, F32, Layout
from mistralrs.layouts.decode import dequantize

_DENSE = {torch.float32: F32, torch.float16: F16, torch.bfloat16: BF16}


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """One tensor of a model.

    ``data`` is the float tensor itself when ``layout.dense``; otherwise uint8 ``[..., row_bytes]``, the file's blocks
    row by row. ``shape`` is the logical shape either way.
    """

    data: Tensor
    layout: Layout
    shape: tuple[int, ...]

    @classmethod
    def dense(cls, data: Tensor) -> Weight:
        """Wrap a float tensor. Raises KeyError for a dtype without a layout."""
        return cls(data, _DENSE[data.dtype], tuple(data.shape))

    @property
    def nbytes(self) -> int:
        """Bytes the weight takes as it is stored."""
        return self.layout.nbytes(self.shape)

    def to_dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """The logical values, ``[*shape]`` in ``dtype``. A dense weight of that dtype is returned as it is."""
        if self.layout.dense:
            return self.data.to(dtype)
        return dequantize(self.data, self.layout, dtype)

    def rows(self, index: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """The rows ``index`` ``[n]`` only, decoded: ``[n, width]``."""
        picked = self.data.index_select(0, index)
        return picked.to(dtype) if self.layout.dense else dequantize(picked, self.layout, dtype)

    def to(self, device: torch.device) -> Weight:
        """The same weight on ``device``; nothing is copied when it is there already."""
        return Weight(self.data.to(device), self.layout, self.shape)
