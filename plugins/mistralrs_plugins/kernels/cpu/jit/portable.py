"""The same in LLVM's portable vector instructions, for every other processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from mistralrs_plugins.kernels.cpu.jit.vectors import b8x32, constant, i16x16, i32x8, operation, shuffle


@operation(i32x8, i16x16, i16x16)
def dot_pairs(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Products of 16-bit integers, neighbours added in 32 bits."""
    wide = ir.VectorType(ir.IntType(32), 16)
    products = b.mul(b.sext(x, wide), b.sext(y, wide))
    even, odd = (shuffle(b, products, products, list(range(first, 16, 2))) for first in (0, 1))
    return b.add(even, odd)


def lookup(table: Sequence[int]) -> Any:
    """``look_up(codes)``: for each byte, which is 0 to 15, the one of 16 that is kept under it.

    No portable instruction takes lanes from places that are themselves in a vector, so each bit of a code halves what
    is left of the table, the lowest one first.
    """

    @operation(b8x32, b8x32)
    def look_up(b: ir.IRBuilder, codes: ir.Value) -> ir.Value:
        left = [constant(b8x32, value) for value in table]
        for bit in range(4):
            is_set = b.icmp_unsigned("!=", b.and_(codes, constant(b8x32, 1 << bit)), constant(b8x32, 0))
            left = [b.select(is_set, odd, even) for even, odd in zip(left[::2], left[1::2], strict=True)]
        return left[0]

    return look_up
