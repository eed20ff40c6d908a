"""A weight as it lies in memory: plain floats or quantized blocks, with the layout that says which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from mistralrs.layouts import BF16, F16, F32, U8, Layout
from mistralrs.layouts.decode import dequantize

_DENSE = {torch.float32: F32, torch.float16: F16, torch.bfloat16: BF16, torch.uint8: U8}


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


@dataclass(frozen=True, slots=True, eq=False)
class WeightStack:
    """The same projection of every expert: weights ``[out, in]`` of one layout and shape.

    ``whole`` is the one tensor ``[experts, out, in]`` that they are views of, if a checkpoint keeps them so.
    """

    each: tuple[Weight, ...]
    whole: Weight | None = None

    @classmethod
    def of(cls, whole: Weight) -> WeightStack:
        """The experts of one tensor; nothing is copied."""
        each = tuple(type(whole)(data, whole.layout, whole.shape[1:]) for data in whole.data.unbind(0))
        return cls(each, whole)

    @classmethod
    def gathered(cls, each: Iterable[Weight]) -> WeightStack:
        """Tensors of their own. Where a checkpoint stores experts in different layouts, all become float32."""
        found = tuple(each)
        if len({weight.layout.name for weight in found}) > 1:
            found = tuple(Weight.dense(weight.to_dense()) for weight in found)
        return cls(found)

    @property
    def layout(self) -> Layout:
        """How every expert's weight is stored."""
        return self.each[0].layout
