"""Torch decoders of the 32-value blocks: Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0.

A block holds a half-precision scale, in the ``_1`` types a minimum too, and 32 integers. Byte ``i`` of the nibbles
carries values ``i`` and ``i + 16``; bit ``i`` of the 5-bit types' extra word is the high bit of value ``i``
(ggml-common.h). Scaling and shifting round separately, as ggml's reference does: a fused multiply-add would differ
in the last bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mistralrs.layouts.bits import fields, halves


def decode_q4_0(blocks: Tensor) -> Tensor:
    """Bytes: scale 2, nibbles 16. ``[n, 18] -> [n, 32]``."""
    values = _nibbles(blocks[:, 2:]).view(torch.int8) - 8
    return values.float().mul_(halves(blocks[:, :2]))


def decode_q4_1(blocks: Tensor) -> Tensor:
    """Bytes: scale 2, minimum 2, nibbles 16. ``[n, 20] -> [n, 32]``."""
    return _scale_and_shift(_nibbles(blocks[:, 4:]), blocks)


def decode_q5_0(blocks: Tensor) -> Tensor:
    """Bytes: scale 2, high bits 4, nibbles 16. ``[n, 22] -> [n, 32]``."""
    values = _five_bits(blocks[:, 6:], blocks[:, 2:6]).view(torch.int8) - 16
    return values.float().mul_(halves(blocks[:, :2]))


def decode_q5_1(blocks: Tensor) -> Tensor:
    """Bytes: scale 2, minimum 2, high bits 4, nibbles 16. ``[n, 24] -> [n, 32]``."""
    return _scale_and_shift(_five_bits(blocks[:, 8:], blocks[:, 4:8]), blocks)


def decode_q8_0(blocks: Tensor) -> Tensor:
    """Bytes: scale 2, signed values 32. ``[n, 34] -> [n, 32]``."""
    return blocks[:, 2:].view(torch.int8).float().mul_(halves(blocks[:, :2]))


def _nibbles(packed: Tensor) -> Tensor:
    # The copy makes every later operation run over contiguous bytes, which is what lets it use vectors.
    return fields(packed.contiguous(), 4).flatten(1)


def _five_bits(nibbles: Tensor, high: Tensor) -> Tensor:
    return (fields(high.unsqueeze(-1), 1).flatten(1) << 4).bitwise_or_(_nibbles(nibbles))


def _scale_and_shift(values: Tensor, blocks: Tensor) -> Tensor:
    scale, minimum = torch.split(halves(blocks[:, :4]), 1, dim=1)
    return values.float().mul_(scale).add_(minimum)
