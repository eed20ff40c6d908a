"""The order of bytes in files and in packed weights, and the way back from the latter to the former."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS


@dataclass(frozen=True, slots=True)
class Order:
    """Where a block's factors and its words of four bytes lie in a file (ggml-common.h).

    ``fifth`` says that the first word holds the fifth bits of all values; ``six`` that values of six bits are packed in
    an order of their own (:mod:`.kernels.sixbits`). A factor takes ``factor_bytes``: two in half precision, one as an
    exponent.
    """

    factors_at: int
    factors: int
    words_at: int
    fifth: bool = False
    six: bool = False
    factor_bytes: int = 2


ORDERS = {
    "q4_0": Order(0, 1, 2),
    "q4_1": Order(0, 2, 4),
    "q5_0": Order(0, 1, 2, fifth=True),
    "q5_1": Order(0, 2, 4, fifth=True),
    "q8_0": Order(0, 1, 2),
    "mxfp4": Order(0, 1, 1, factor_bytes=1),
    "q2_k": Order(80, 2, 0),
    "q3_k": Order(108, 1, 0),
    "q4_k": Order(0, 2, 4),
    "q5_k": Order(0, 2, 4),
    "q6_k": Order(208, 1, 0, six=True),
}
"""The layouts that are packed: all quantized ones with kernels."""


def unpack(data: Tensor, layout: str, block_bytes: int) -> Tensor:
    """Packed weights ``[groups, 8 * row_bytes]`` as rows ``[8 * groups, row_bytes]`` in the file's order."""
    order, blocks = ORDERS[layout], data.view(data.shape[0], -1, ROWS * block_bytes)
    groups, count, _ = blocks.shape
    split = order.factor_bytes * ROWS * order.factors
    factors = blocks[..., :split].view(groups, count, order.factors, ROWS, order.factor_bytes).permute(0, 3, 1, 2, 4)
    if order.six:
        rest = _six_bits_back(blocks[..., split:])
    else:
        words = blocks[..., split:].reshape(groups, count, -1, ROWS, 4)
        if order.fifth:
            words = torch.cat((_fifth_bits_back(words[:, :, :1]), words[:, :, 1:]), 2)
        rest = words.permute(0, 3, 1, 2, 4)
    parts = [part.reshape(groups, ROWS, count, -1) for part in (factors, rest)]
    if order.factors_at:
        parts.reverse()
    return torch.cat(parts, -1).view(groups * ROWS, -1)


def _fifth_bits_back(packed: Tensor) -> Tensor:
    """The inverse of :func:`.kernels.packed.fifth_bits`, of four bytes ``[..., 4]`` each."""
    bits = (packed.unsqueeze(-1) >> torch.arange(8, dtype=torch.uint8)) & 1  # [..., k, i]
    nibbles = (bits << torch.arange(4, dtype=torch.uint8).unsqueeze(-1)).sum(-2, dtype=torch.uint8)  # [..., i]
    return nibbles[..., 0::2] | (nibbles[..., 1::2] << 4)


def _six_bits_back(packed: Tensor) -> Tensor:
    """The inverse of :func:`.kernels.sixbits.pack` but for factors: super-blocks ``[groups, count, 8 * 208]`` to
    ``[groups, 8, count, 208]``."""
    groups, count, _ = packed.shape
    scales = packed[..., : 16 * ROWS].reshape(groups, count, 16, ROWS).permute(0, 3, 1, 2)
    words = packed[..., 16 * ROWS :].contiguous().view(torch.int16).view(groups, count, 16, 3, ROWS, 2)
    a, b, c = words.permute(3, 0, 4, 1, 2, 5)  # each [groups, row, block, group of 16, lane]
    last = (a >> 12 & 15) | (c >> 8 & 48), (b >> 12 & 15) | (c >> 10 & 48)
    fours = [torch.stack((word & 63, word >> 6 & 63), -1) for word in (a, b, c)]
    values = torch.stack((*fours, torch.stack(last, -1)), -3)  # [..., group, four, lane, which]
    values = values.reshape(groups, ROWS, count, 2, 4, 32).to(torch.uint8)  # halves of four times 32
    low = (values[..., :2, :] & 15) | (values[..., 2:, :] << 4)
    shifts = torch.arange(0, 8, 2, dtype=torch.uint8).view(4, 1)
    upper = (values >> 4 << shifts).sum(-2, dtype=torch.uint8)
    return torch.cat([part.reshape(groups, ROWS, count, -1) for part in (low, upper, scales)], -1)
