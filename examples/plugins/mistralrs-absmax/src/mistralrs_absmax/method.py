"""Signed bytes with one scale for each row: ``weight = scale * byte`` (Dettmers et al. 2022, arXiv 2208.07339, 2.1).

A row is stored as its bytes followed by its scale in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mistralrs.layers import Linear
from mistralrs.layouts import Layout
from mistralrs.ops import Weight
from mistralrs.plugin import Ref
from mistralrs.weights import WeightBuilder

LARGEST = 127
SCALE_BYTES = 4


class Absmax:
    """The method. It has no settings."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def linear(self, wb: WeightBuilder, in_features: int, out_features: int, *, bias: bool) -> Linear:
        """A projection whose weight is quantized now."""
        plain = wb.weight("weight", (out_features, in_features), role="linear").to_dense()
        weight = Weight(encode(plain), layout(in_features), (out_features, in_features))
        return Linear(wb.prepare(weight), wb.tensor("bias", (out_features,)) if bias else None)


def layout(width: int) -> Layout:
    """Rows of ``width`` weights: the whole row is one block."""
    return Layout(f"absmax8-{width}", width, width + SCALE_BYTES, Ref("mistralrs_absmax.method:decode"))


def encode(rows: Tensor) -> Tensor:
    """``[out, in]`` float32 to uint8 ``[out, in + 4]``. A row of zeros has the scale zero."""
    scale = rows.abs().amax(dim=1, keepdim=True) / LARGEST
    steps = (rows / scale.clamp_min(torch.finfo(torch.float32).tiny)).round().to(torch.int8)
    return torch.cat((steps.view(torch.uint8), scale.view(torch.uint8)), dim=1)


def decode(blocks: Tensor) -> Tensor:
    """The other way."""
    scale = blocks[:, -SCALE_BYTES:].contiguous().view(torch.float32)
    return blocks[:, :-SCALE_BYTES].view(torch.int8).float() * scale
