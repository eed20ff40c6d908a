"""Reading and writing memory by address. No access assumes more alignment than the file formats give.

Addresses are plain int64 numbers: whoever builds a kernel's arguments has checked that what they point at is there.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from mistralrs_plugins.kernels.cpu.jit.vectors import (
    Vector,
    b8x16,
    b8x32,
    constant,
    f32x8,
    i16x16,
    i32x8,
    operation,
    shuffle,
)

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
F16, F32 = ir.HalfType(), ir.FloatType()


def read(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type, align: int = 1) -> ir.Value:
    """The value of type ``kind`` at ``address``."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=align)


def write(builder: ir.IRBuilder, address: ir.Value, value: ir.Value, align: int = 1) -> None:
    """Put ``value`` at ``address``."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=align)


def _integer(kind: ir.Type, *, signed: bool) -> Any:
    def emit(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        value = read(b, address, kind)
        if kind is I64:
            return value
        return b.sext(value, I64) if signed else b.zext(value, I64)

    return operation(types.int64, types.int64)(emit)


load_u8 = _integer(I8, signed=False)
load_i8 = _integer(I8, signed=True)
load_u16 = _integer(I16, signed=False)
load_u32 = _integer(I32, signed=False)
load_i32 = _integer(I32, signed=True)
load_i64 = _integer(I64, signed=True)


@operation(types.float32, types.int64)
def load_f32(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """A float."""
    return read(b, address, F32, 4)


@operation(types.float64, types.int64)
def load_f64(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """A double."""
    return read(b, address, ir.DoubleType(), 8)


@operation(types.float32, types.int64)
def load_f16(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """A half float, widened."""
    # By way of a zeroed register: a conversion of one value would wait for whatever its register held before.
    word = b.zext(read(b, address, I16), I32)
    four = b.insert_element(ir.Constant(ir.VectorType(I32, 4), [0] * 4), word, ir.Constant(I32, 0))
    wide = b.fpext(b.bitcast(four, ir.VectorType(F16, 8)), f32x8.llvm)
    return b.extract_element(wide, ir.Constant(I32, 0))


@operation(types.float32, types.int64)
def load_bf16(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """A bfloat16, widened: it is the upper half of a float."""
    return b.bitcast(b.shl(b.zext(read(b, address, I16), I32), ir.Constant(I32, 16)), F32)


def _half_of_e8m0(b: ir.IRBuilder, exponent: ir.Value, kind: ir.Type) -> ir.Value:
    """Two to the ``exponent - 128``, of 32-bit integers from 0 to 255. The two lowest give subnormal numbers."""

    def number(value: int) -> ir.Constant:
        return ir.Constant(exponent.type, [value] * 8 if isinstance(exponent.type, ir.VectorType) else value)

    normal = b.shl(b.sub(exponent, number(1)), number(23))
    subnormal = b.shl(b.add(exponent, number(1)), number(21))  # right for 0 and 1, for others less than the other
    return b.bitcast(b.select(b.icmp_signed(">", normal, subnormal), normal, subnormal), kind)


@operation(types.float32, types.int64)
def load_half_of_e8m0(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Half of a power of two, stored as its exponent plus 127 (OCP Microscaling Formats 1.0, E8M0).

    No byte means NaN: 255 stands for the power that follows, as in ggml.
    """
    return _half_of_e8m0(b, b.zext(read(b, address, I8), I32), F32)


@operation(types.void, types.int64, types.float32)
def store_f32(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write a float."""
    write(b, address, value, 4)


@operation(types.void, types.int64, types.float64)
def store_f64(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write a double."""
    write(b, address, value, 8)


@operation(types.void, types.int64, types.float32)
def store_f16(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write a float as a half float."""
    write(b, address, b.fptrunc(value, F16), 2)


@operation(types.void, types.int64, types.int64)
def store_i64(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write a whole number."""
    write(b, address, value, 8)


@operation(types.void, types.int64, types.int64)
def store_u8(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write the lowest byte of a whole number."""
    write(b, address, b.trunc(value, I8))


@operation(types.void, types.int64, types.int64)
def store_u16(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write the low two bytes of a whole number."""
    write(b, address, b.trunc(value, I16))


@operation(types.void, types.int64, types.int64)
def store_u32(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write the low four bytes of a whole number."""
    write(b, address, b.trunc(value, I32))


def _vector(kind: Vector) -> Any:
    def emit(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        return read(b, address, kind.llvm)

    return operation(kind, types.int64)(emit)


load_b8x16 = _vector(b8x16)
load_b8x32 = _vector(b8x32)
load_i16x16 = _vector(i16x16)
load_f32x8 = _vector(f32x8)


@operation(f32x8, types.int64)
def load_f16x8(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Eight half floats, widened."""
    return b.fpext(read(b, address, ir.VectorType(F16, 8)), f32x8.llvm)


@operation(f32x8, types.int64)
def load_i8x8(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Eight signed bytes, as floats."""
    return b.sitofp(read(b, address, ir.VectorType(I8, 8)), f32x8.llvm)


@operation(f32x8, types.int64)
def load_half_of_e8m0x8(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Eight of :func:`load_half_of_e8m0`."""
    return _half_of_e8m0(b, b.zext(read(b, address, ir.VectorType(I8, 8)), i32x8.llvm), f32x8.llvm)


@operation(f32x8, types.int64)
def load_bf16x8(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Eight bfloat16 numbers, widened."""
    wide = b.zext(read(b, address, ir.VectorType(I16, 8)), i32x8.llvm)
    return b.bitcast(b.shl(wide, constant(i32x8, 16)), f32x8.llvm)


@operation(types.void, types.int64, f32x8)
def store_f32x8(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write eight floats."""
    write(b, address, value)


@operation(types.void, types.int64, i32x8)
def store_i32x8(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write eight integers."""
    write(b, address, value)


@operation(types.void, types.int64, f32x8)
def store_f16x8(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write eight floats as half floats."""
    write(b, address, b.fptrunc(value, ir.VectorType(F16, 8)))


@operation(types.void, types.int64, f32x8)
def store_counted(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write eight pairs of doubles: 1, and a float."""
    wide = ir.VectorType(ir.DoubleType(), 8)
    ones = ir.Constant(wide, [1.0] * 8)
    pairs = shuffle(b, ones, b.fpext(value, wide), [lane for pair in range(8) for lane in (pair, pair + 8)])
    write(b, address, pairs)


@operation(types.void, types.int64, types.int64)
def add_pair(b: ir.IRBuilder, address: ir.Value, other: ir.Value) -> None:
    """Add the two doubles at ``other`` to those at ``address``."""
    kind = ir.VectorType(ir.DoubleType(), 2)
    write(b, address, b.fadd(read(b, address, kind), read(b, other, kind)))


# Activations keep the four values of a word as first, third, second, fourth: see load_pair_everywhere.
_PAIRED = [0, 2, 1, 3, 4, 6, 5, 7]


@operation(types.void, types.int64, i32x8)
def store_paired_i16x8(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write the lower halves of eight integers; of every four, the second and the third change places."""
    short = b.trunc(value, ir.VectorType(I16, 8))
    write(b, address, shuffle(b, short, short, _PAIRED))


@operation(types.void, types.int64, i16x16)
def store_i16x16(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write sixteen 16-bit integers."""
    write(b, address, value)


@operation(i16x16, types.int64)
def load_pair_everywhere(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """The two 16-bit integers at ``address``, eight times over."""
    one = b.insert_element(ir.Constant(i32x8.llvm, ir.Undefined), read(b, address, I32), ir.Constant(I32, 0))
    return b.bitcast(shuffle(b, one, one, [0] * 8), i16x16.llvm)


@operation(types.void, types.int64)
def prefetch(b: ir.IRBuilder, address: ir.Value) -> None:
    """Ask for the cache line at ``address``, which need not exist: it will be read soon."""
    pointer = b.inttoptr(address, I8.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
    known = b.module.globals.get("llvm.prefetch.p0")
    called = known if known is not None else ir.Function(b.module, kind, "llvm.prefetch.p0")
    b.call(called, [pointer, ir.Constant(I32, 0), ir.Constant(I32, 3), ir.Constant(I32, 1)])
