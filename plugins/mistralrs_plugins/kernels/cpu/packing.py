"""A model's quantized weights as its products want them: eight rows side by side (:mod:`.kernels.packed`)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from mistralrs.checkpoint.mapped import give_back
from mistralrs.layouts import Layout
from mistralrs.layouts.decode import dequantize
from mistralrs.ops import Weight
from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS
from mistralrs_plugins.kernels.cpu.program.arguments import Call, Current, Number, Stage
from mistralrs_plugins.kernels.cpu.program.program import Program
from mistralrs_plugins.kernels.cpu.threads import shared_pool

_PIECE = 8 << 20
"""Bytes packed before the file's pages are given back: so much of a weight is in memory twice."""


@dataclass(frozen=True, slots=True)
class Order:
    """Where a block's half-precision factors and its words of four bytes lie in a file (ggml-common.h).

    ``fifth`` says that the first word holds the fifth bits of all values.
    """

    factors_at: int
    factors: int
    words_at: int
    fifth: bool = False


ORDERS = {
    "q4_0": Order(0, 1, 2),
    "q4_1": Order(0, 2, 4),
    "q5_0": Order(0, 1, 2, fifth=True),
    "q5_1": Order(0, 2, 4, fifth=True),
    "q8_0": Order(0, 1, 2),
    "q2_k": Order(80, 2, 0),
    "q3_k": Order(108, 1, 0),
    "q4_k": Order(0, 2, 4),
    "q5_k": Order(0, 2, 4),
    "q6_k": Order(208, 1, 0),
}
"""The layouts that are packed: all quantized ones with kernels."""


class PackedWeight(Weight):
    """A weight ``[..., rows, width]`` with ``data`` uint8 ``[..., groups, 8 * row_bytes]``: eight rows side by side.

    Its layout is that of the stored weight, and so are its values; only their order in memory is another.
    """

    __slots__ = ()

    def stored(self) -> Weight:
        """The same weight in the file's order. A copy."""
        *outer, rows, _ = self.shape
        found = _unpack(self.data.flatten(0, -2), self.layout.name, self.layout.block_bytes)
        row_bytes = found.shape[-1]
        return Weight(found.view(*outer, -1, row_bytes)[..., :rows, :], self.layout, self.shape)

    def to_dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """See :meth:`mistralrs.ops.Weight.to_dense`."""
        return self.stored().to_dense(dtype)

    def rows(self, index: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """See :meth:`mistralrs.ops.Weight.rows`."""
        eights = _unpack(self.data.index_select(0, index // ROWS), self.layout.name, self.layout.block_bytes)
        picked = eights.view(len(index), ROWS, -1)[torch.arange(len(index)), index % ROWS]
        return dequantize(picked, self.layout, dtype)

    def to(self, device: torch.device) -> Weight:
        """The same weight on ``device``; elsewhere than in main memory in the file's order."""
        return self if device.type == "cpu" else self.stored().to(device)


def packable(weight: Weight) -> bool:
    """Whether a weight is a solid quantized matrix, or several, in main memory, in a layout that is packed."""
    data, known = weight.data, weight.layout.name in ORDERS and not isinstance(weight, PackedWeight)
    solid = data.device.type == "cpu" and data.is_contiguous()
    return known and solid and len(weight.shape) in (2, 3) and min(weight.shape) > 0


def pack(weight: Weight) -> PackedWeight:
    """A packed copy of a :func:`packable` weight. Pages of a mapped file are given back as they have been read."""
    layout, (*outer, rows, width) = weight.layout, weight.shape
    groups = -(-rows // ROWS)
    data = torch.empty(*outer, groups, ROWS * layout.row_bytes(width), dtype=torch.uint8)
    with _lock:
        sources, targets = weight.data.view(-1, *weight.data.shape[-2:]), data.view(-1, *data.shape[-2:])
        for source, target in zip(sources, targets, strict=True):
            _pack_matrix(source, target, layout)
    return PackedWeight(data, layout, weight.shape)


def _pack_matrix(source: Tensor, target: Tensor, layout: Layout) -> None:
    """Rows ``[rows, row_bytes]`` into ``[groups, 8 * row_bytes]``, piece by piece."""
    program, pool = _program(layout.name, layout.block_bytes), shared_pool()
    (rows, row_bytes), numbers = source.shape, program.numbers
    each = max(1, _PIECE // (ROWS * row_bytes))
    for first in range(0, target.shape[0], each):
        count = min(each, target.shape[0] - first)
        read = min(rows - first * ROWS, count * ROWS)
        at = source.data_ptr() + first * ROWS * row_bytes
        numbers[Number.TOKENS], numbers[Number.ROWS] = count, read
        numbers[Number.INPUT], numbers[Number.WEIGHT] = at, row_bytes
        numbers[Number.LOGITS] = target.data_ptr() + first * ROWS * row_bytes
        program.fit(1, pool)
        program.run()
        give_back(at, read * row_bytes)


_lock = threading.Lock()


@cache
def _program(layout: str, block_bytes: int) -> Program:
    order = ORDERS[layout]
    words = (block_bytes - 2 * order.factors) // 4
    sizes = [block_bytes, order.factors_at, order.factors, order.words_at, words, int(order.fifth)]
    source = [Current(number) for number in (Number.INPUT, Number.WEIGHT, Number.ROWS, Number.LOGITS)]
    return Program([Stage([Call("packed:pack", [*source, *sizes], per={Number.TOKENS: 1})])])


def _unpack(data: Tensor, layout: str, block_bytes: int) -> Tensor:
    """Rows ``[8 * groups, row_bytes]`` in the file's order."""
    order, blocks = ORDERS[layout], data.view(data.shape[0], -1, ROWS * block_bytes)
    groups, count, _ = blocks.shape
    split = 2 * ROWS * order.factors
    factors = blocks[..., :split].view(groups, count, order.factors, ROWS, 2)
    words = blocks[..., split:].reshape(groups, count, -1, ROWS, 4)
    if order.fifth:
        words = torch.cat((_fifth_bits_back(words[:, :, :1]), words[:, :, 1:]), 2)
    parts = [part.permute(0, 3, 1, 2, 4).reshape(groups, ROWS, count, -1) for part in (factors, words)]
    if order.factors_at:
        parts.reverse()
    return torch.cat(parts, -1).view(groups * ROWS, -1)


def _fifth_bits_back(packed: Tensor) -> Tensor:
    """The inverse of :func:`.kernels.packed.fifth_bits`, of four bytes ``[..., 4]`` each."""
    bits = (packed.unsqueeze(-1) >> torch.arange(8, dtype=torch.uint8)) & 1  # [..., k, i]
    nibbles = (bits << torch.arange(4, dtype=torch.uint8).unsqueeze(-1)).sum(-2, dtype=torch.uint8)  # [..., i]
    return nibbles[..., 0::2] | (nibbles[..., 1::2] << 4)
