"""A model's quantized weights as its products want them: eight rows side by side (:mod:`.kernels.packed`)."""

from __future__ import annotations

import threading
from ctypes import addressof, c_char
from functools import cache

import torch
from torch import Tensor

from mistralrs.checkpoint.mapped import read_again
from mistralrs.layouts import Layout
from mistralrs.layouts.decode import dequantize
from mistralrs.ops import Weight
from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS
from mistralrs_plugins.kernels.cpu.orders import ORDERS, unpack
from mistralrs_plugins.kernels.cpu.pages import ask_for_large_pages
from mistralrs_plugins.kernels.cpu.program.arguments import Call, Current, Number, Stage
from mistralrs_plugins.kernels.cpu.program.program import Program
from mistralrs_plugins.kernels.cpu.threads import shared_pool

PIECE = 1 << 20
"""Bytes of a file that are read and packed at a time: they do not leave the caches in between."""


class PackedWeight(Weight):
    """A weight ``[..., rows, width]`` with ``data`` uint8 ``[..., groups, 8 * row_bytes]``: eight rows side by side.

    Its layout is that of the stored weight, and so are its values; only their order in memory is another.
    """

    __slots__ = ()

    def stored(self) -> Weight:
        """The same weight in the file's order. A copy."""
        *outer, rows, _ = self.shape
        found = unpack(self.data.flatten(0, -2), self.layout.name, self.layout.block_bytes)
        row_bytes = found.shape[-1]
        return Weight(found.view(*outer, -1, row_bytes)[..., :rows, :], self.layout, self.shape)

    def to_dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """See :meth:`mistralrs.ops.Weight.to_dense`."""
        return self.stored().to_dense(dtype)

    def rows(self, index: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """See :meth:`mistralrs.ops.Weight.rows`."""
        eights = unpack(self.data.index_select(0, index // ROWS), self.layout.name, self.layout.block_bytes)
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
    """A packed copy of a :func:`packable` weight. That of a mapped file is read piece by piece, and never mapped."""
    layout, (*outer, rows, width) = weight.layout, weight.shape
    groups = -(-rows // ROWS)
    data = torch.empty(*outer, groups, ROWS * layout.row_bytes(width), dtype=torch.uint8)
    ask_for_large_pages(data)
    with _lock:
        sources, targets = weight.data.view(-1, *weight.data.shape[-2:]), data.view(-1, *data.shape[-2:])
        for source, target in zip(sources, targets, strict=True):
            _pack_matrix(source, target, layout)
    return PackedWeight(data, layout, weight.shape)


def _pack_matrix(source: Tensor, target: Tensor, layout: Layout) -> None:
    """Rows ``[rows, row_bytes]`` into ``[groups, 8 * row_bytes]``, piece by piece."""
    program, pool, piece = _program(layout.name, layout.block_bytes), shared_pool(), _piece()
    (rows, row_bytes), numbers = source.shape, program.numbers
    each = max(1, PIECE // (ROWS * row_bytes))
    for first in range(0, target.shape[0], each):
        count = min(each, target.shape[0] - first)
        read = min(rows - first * ROWS, count * ROWS)
        at = source.data_ptr() + first * ROWS * row_bytes
        if len(piece) >= read * row_bytes and read_again(at, piece[: read * row_bytes]):
            at = addressof(c_char.from_buffer(piece))
        numbers[Number.TOKENS], numbers[Number.ROWS] = count, read
        numbers[Number.INPUT], numbers[Number.WEIGHT] = at, row_bytes
        numbers[Number.LOGITS] = target.data_ptr() + first * ROWS * row_bytes
        program.fit(1, pool)
        program.run()


_lock = threading.Lock()


@cache
def _piece() -> memoryview:
    """Where a piece of a file is read to."""
    return memoryview(bytearray(PIECE))


@cache
def _program(layout: str, block_bytes: int) -> Program:
    source = [Current(number) for number in (Number.INPUT, Number.WEIGHT, Number.ROWS, Number.LOGITS)]
    order = ORDERS[layout]
    if order.six:
        return Program([Stage([Call("sixbits:pack", source, per={Number.TOKENS: 1})])])
    words = (block_bytes - order.factor_bytes * order.factors) // 4
    sizes = [block_bytes, order.factors_at, order.factors, order.words_at, words, int(order.fifth), order.factor_bytes]
    return Program([Stage([Call("packed:pack", [*source, *sizes], per={Number.TOKENS: 1})])])
