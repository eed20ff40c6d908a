"""Taking packed bytes apart: what the block decoders have in common."""

from __future__ import annotations

import torch
from torch import Tensor


def fields(packed: Tensor, bits: int) -> Tensor:
    """Split every byte of ``packed`` uint8 ``[..., w]`` into fields of ``bits`` bits: uint8 ``[..., 8 // bits, w]``.

    The lowest bits come first.
    """
    mask = (1 << bits) - 1
    return torch.stack([(packed >> shift) & mask for shift in range(0, 8, bits)], dim=-2)


def halves(field: Tensor) -> Tensor:
    """Read uint8 ``[n, 2 * k]`` as ``k`` half-precision scales a row: float32 ``[n, k]``."""
    return field.contiguous().view(torch.float16).float()
