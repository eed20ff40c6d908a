"""The same integer product in LLVM's portable vector instructions, for every other processor."""

from __future__ import annotations

from llvmlite import ir

from mistralrs_plugins.kernels.cpu.jit.vectors import i16x16, i32x8, operation, shuffle


@operation(i32x8, i16x16, i16x16)
def dot_pairs(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Products of 16-bit integers, neighbours added in 32 bits."""
    wide = ir.VectorType(ir.IntType(32), 16)
    products = b.mul(b.sext(x, wide), b.sext(y, wide))
    even, odd = (shuffle(b, products, products, list(range(first, 16, 2))) for first in (0, 1))
    return b.add(even, odd)
