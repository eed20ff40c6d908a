"""The same byte products in LLVM's portable vector instructions, for every other processor."""

from __future__ import annotations

from llvmlite import ir

from mistralrs_plugins.kernels.cpu.jit.vectors import b8x32, constant, i16x16, i32x8, operation, shuffle


def _neighbours_added(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    lanes = value.type.count
    even, odd = (shuffle(b, value, value, list(range(first, lanes, 2))) for first in (0, 1))
    return b.add(even, odd)


@operation(i16x16, b8x32, b8x32)
def products_u8_i8(b: ir.IRBuilder, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
    """Products of unsigned with signed bytes, neighbours added."""
    wide = ir.VectorType(ir.IntType(16), 32)
    return _neighbours_added(b, b.mul(b.zext(unsigned, wide), b.sext(signed, wide)))


@operation(i32x8, i16x16)
def pair_sums(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Neighbours added in 32 bits."""
    return _neighbours_added(b, b.sext(value, ir.VectorType(ir.IntType(32), 16)))


@operation(b8x32, b8x32, b8x32)
def with_sign_of(b: ir.IRBuilder, value: ir.Value, sign: ir.Value) -> ir.Value:
    """``value`` negated where ``sign`` is negative, zero where it is zero."""
    zero = constant(b8x32, 0)
    signed = b.select(b.icmp_signed("<", sign, zero), b.sub(zero, value), value)
    return b.select(b.icmp_signed("==", sign, zero), zero, signed)
