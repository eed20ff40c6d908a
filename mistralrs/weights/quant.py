"""How a projection's weights become a layer: the seam behind which quantization lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import nn

from mistralrs.layers import Linear

if TYPE_CHECKING:
    from mistralrs.weights.builder import WeightBuilder


class QuantMethod(Protocol):
    """Builds the layer of one projection. The model never learns which method it was.

    A method declares a :class:`~mistralrs.layouts.Layout` with its torch decoder and returns an ordinary ``Linear``
    over a weight in it: that runs everywhere at once, and a backend may add a fast product for the layout.
    """

    def linear(self, wb: WeightBuilder, in_features: int, out_features: int, *, bias: bool) -> nn.Module:
        """A finished layer ``[tokens, in] -> [tokens, out]`` from the tensors under ``wb``."""


class Dense:
    """Takes the weight as it is stored: plain floats, or blocks that the file already holds."""

    def linear(self, wb: WeightBuilder, in_features: int, out_features: int, *, bias: bool) -> nn.Module:
        """One ``weight`` ``[out, in]``, and a ``bias`` ``[out]`` when asked for."""
        weight = wb.weight("weight", (out_features, in_features), role="linear")
        return Linear(wb.prepare(weight), wb.tensor("bias", (out_features,)) if bias else None)
