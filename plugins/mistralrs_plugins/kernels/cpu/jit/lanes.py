"""Operations on vectors that every processor has in some form: LLVM's own instructions, no intrinsic of a machine."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir
from numba.core import types

from mistralrs_plugins.kernels.cpu.jit.vectors import (
    FAST,
    b8x16,
    b8x32,
    constant,
    f32x8,
    i16x16,
    i32x8,
    operation,
    shuffle,
)

I16, I32 = ir.IntType(16), ir.IntType(32)


def _everywhere(b: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    kind = ir.VectorType(value.type, lanes)
    one = b.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
    return shuffle(b, one, one, [0] * lanes)


@operation(f32x8, types.float32)
def splat(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """One float in all lanes."""
    return _everywhere(b, value, 8)


@operation(b8x32, types.int64)
def splat_byte(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """One byte in all places."""
    return _everywhere(b, b.trunc(value, ir.IntType(8)), 32)


@operation(b8x32, b8x16, b8x16)
def join(b: ir.IRBuilder, low: ir.Value, high: ir.Value) -> ir.Value:
    """32 bytes from two times 16."""
    return shuffle(b, low, high, list(range(32)))


def _bits(b: ir.IRBuilder, value: ir.Value, shift: ir.Value, mask: ir.Value) -> ir.Value:
    # No machine shifts bytes; shifting pairs of bytes lets bits cross over, which the mask then removes.
    lanes = value.type.count // 2
    pairs = b.bitcast(value, ir.VectorType(I16, lanes))
    moved = b.bitcast(b.lshr(pairs, _everywhere(b, b.trunc(shift, I16), lanes)), value.type)
    return b.and_(moved, _everywhere(b, b.trunc(mask, ir.IntType(8)), value.type.count))


@operation(b8x16, b8x16, types.int64, types.int64)
def bits16(b: ir.IRBuilder, value: ir.Value, shift: ir.Value, mask: ir.Value) -> ir.Value:
    """``(byte >> shift) & mask``; the mask must not reach beyond the byte's upper ``8 - shift`` bits."""
    return _bits(b, value, shift, mask)


@operation(b8x32, b8x32, types.int64, types.int64)
def bits(b: ir.IRBuilder, value: ir.Value, shift: ir.Value, mask: ir.Value) -> ir.Value:
    """``(byte >> shift) & mask``; the mask must not reach beyond the byte's upper ``8 - shift`` bits."""
    return _bits(b, value, shift, mask)


@operation(b8x32, b8x32, types.int64)
def raised(b: ir.IRBuilder, value: ir.Value, shift: ir.Value) -> ir.Value:
    """``byte << shift`` for bytes that have room for it."""
    pairs = b.bitcast(value, i16x16.llvm)
    return b.bitcast(b.shl(pairs, _everywhere(b, b.trunc(shift, I16), 16)), b8x32.llvm)


@operation(b8x32, types.int64)
def spread_bits(b: ir.IRBuilder, word: ir.Value) -> ir.Value:
    """Bit ``i`` of a 32-bit word as byte ``i``: 0 or 1."""
    words = b.bitcast(_everywhere(b, b.trunc(word, I32), 8), b8x32.llvm)
    own_byte = shuffle(b, words, words, [lane // 8 for lane in range(32)])
    own_bit = b.and_(own_byte, constant(b8x32, [1 << lane % 8 for lane in range(32)]))
    return b.zext(b.icmp_unsigned("!=", own_bit, constant(b8x32, 0)), b8x32.llvm)


@operation(f32x8, i32x8)
def to_float(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Integers as floats."""
    return b.sitofp(value, f32x8.llvm)


@operation(i32x8, b8x32, types.int64)
def widen_u8(b: ir.IRBuilder, value: ir.Value, quarter: ir.Value) -> ir.Value:
    """Eight of 32 unsigned bytes as integers; ``quarter`` says which eight."""
    return _widen(b, value, quarter, signed=False)


@operation(i32x8, b8x32, types.int64)
def widen_i8(b: ir.IRBuilder, value: ir.Value, quarter: ir.Value) -> ir.Value:
    """Eight of 32 signed bytes as integers; ``quarter`` says which eight."""
    return _widen(b, value, quarter, signed=True)


def _widen(b: ir.IRBuilder, value: ir.Value, quarter: ir.Value, *, signed: bool) -> ir.Value:
    eights = b.bitcast(value, ir.VectorType(ir.IntType(64), 4))
    picked = b.bitcast(b.extract_element(eights, quarter), ir.VectorType(ir.IntType(8), 8))
    return b.sext(picked, i32x8.llvm) if signed else b.zext(picked, i32x8.llvm)


# 1.5 * 2^23: adding it to a float of magnitude below 2^22 leaves the nearest integer in the lowest bits.
_MAGIC_BITS = 0x4B400000


@operation(i32x8, f32x8)
def round_to_int(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The nearest integers, ties to even, for magnitudes below 2^22. NaN gives some integer."""
    magic = b.bitcast(constant(i32x8, _MAGIC_BITS), f32x8.llvm)
    return b.sub(b.bitcast(b.fadd(value, magic), i32x8.llvm), constant(i32x8, _MAGIC_BITS))


@operation(f32x8, i32x8)
def power_of_two(b: ir.IRBuilder, exponent: ir.Value) -> ir.Value:
    """2 to the ``exponent``, from -126 to 127: the exponent's bits put in place."""
    return b.bitcast(b.shl(b.add(exponent, constant(i32x8, 127)), constant(i32x8, 23)), f32x8.llvm)


@operation(f32x8, f32x8)
def magnitude(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Absolute values."""
    return b.bitcast(b.and_(b.bitcast(value, i32x8.llvm), constant(i32x8, 0x7FFFFFFF)), f32x8.llvm)


@operation(f32x8, f32x8, f32x8)
def larger(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Lane by lane, ``x`` where it is larger, else ``y``."""
    return b.select(b.fcmp_ordered(">", x, y), x, y)


@operation(f32x8, f32x8, f32x8)
def smaller(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Lane by lane, ``x`` where it is smaller, else ``y``."""
    return b.select(b.fcmp_ordered("<", x, y), x, y)


@operation(types.float32, f32x8)
def lane_sum(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The sum of all lanes."""
    for width in (4, 2, 1):
        folded = shuffle(b, value, value, [(lane + width) % 8 for lane in range(8)])
        value = b.fadd(value, folded, flags=FAST)
    return b.extract_element(value, ir.Constant(I32, 0))


@operation(f32x8, *[f32x8] * 8)
def eight_sums(b: ir.IRBuilder, *rows: ir.Value) -> ir.Value:
    """The sum of each vector's lanes: the first vector's in lane 0, and so on."""

    def folded(x: ir.Value, y: ir.Value, low: list[int], high: list[int]) -> ir.Value:
        return b.fadd(shuffle(b, x, y, low), shuffle(b, x, y, high), flags=FAST)

    pairs = [folded(x, y, [0, 8, 2, 10, 4, 12, 6, 14], [1, 9, 3, 11, 5, 13, 7, 15]) for x, y in _twos(rows)]
    fours = [folded(x, y, [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]) for x, y in _twos(pairs)]
    return folded(fours[0], fours[1], [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15])


@operation(f32x8, f32x8, f32x8, types.int64)
def halves(b: ir.IRBuilder, x: ir.Value, y: ir.Value, upper: ir.Value) -> ir.Value:
    """The lower halves of two vectors behind each other, or the upper ones if ``upper`` is not 0."""
    lower = shuffle(b, x, y, [0, 1, 2, 3, 8, 9, 10, 11])
    higher = shuffle(b, x, y, [4, 5, 6, 7, 12, 13, 14, 15])
    return b.select(b.icmp_unsigned("!=", upper, ir.Constant(upper.type, 0)), higher, lower)


def _twos(values: Sequence[ir.Value]) -> list[tuple[ir.Value, ir.Value]]:
    return list(zip(values[0::2], values[1::2], strict=True))


@operation(types.int64, i32x8)
def lane_total(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The sum of all lanes of integers, which fits into one of them."""
    for width in (4, 2, 1):
        value = b.add(value, shuffle(b, value, value, [(lane + width) % 8 for lane in range(8)]))
    return b.sext(b.extract_element(value, ir.Constant(I32, 0)), ir.IntType(64))


@operation(i32x8, types.int64)
def splat_i32(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The lower half of an integer in all lanes."""
    return _everywhere(b, b.trunc(value, I32), 8)


@operation(i16x16, types.int64)
def splat_i16(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The lowest 16 bits of an integer in all lanes."""
    return _everywhere(b, b.trunc(value, I16), 16)


@operation(types.float32, f32x8)
def lane_max(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The largest lane."""
    for width in (4, 2, 1):
        folded = shuffle(b, value, value, [(lane + width) % 8 for lane in range(8)])
        value = b.select(b.fcmp_ordered(">", value, folded), value, folded)
    return b.extract_element(value, ir.Constant(I32, 0))


@operation(i32x8)
def zeros_i32(b: ir.IRBuilder) -> ir.Value:
    """Eight zeros."""
    return constant(i32x8, 0)


@operation(types.float32, f32x8)
def first_lane(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The first of eight floats."""
    return b.extract_element(value, ir.Constant(I32, 0))


@operation(i16x16, b8x32, types.int64, types.int64)
def shorts(b: ir.IRBuilder, value: ir.Value, shift: ir.Value, mask: ir.Value) -> ir.Value:
    """``(pair of bytes >> shift) & mask``, the pairs read as 16-bit integers."""
    moved = b.lshr(b.bitcast(value, i16x16.llvm), _everywhere(b, b.trunc(shift, I16), 16))
    return b.and_(moved, _everywhere(b, b.trunc(mask, I16), 16))


@operation(i16x16, i16x16, types.int64)
def shorts_up(b: ir.IRBuilder, value: ir.Value, shift: ir.Value) -> ir.Value:
    """``integer << shift``."""
    return b.shl(value, _everywhere(b, b.trunc(shift, I16), 16))


@operation(i32x8, i32x8, types.int64)
def lowered(b: ir.IRBuilder, value: ir.Value, shift: ir.Value) -> ir.Value:
    """``integer >> shift``, which keeps the sign."""
    return b.ashr(value, _everywhere(b, b.trunc(shift, I32), 8))


@operation(i16x16, b8x32)
def even_bytes(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Signed bytes 0, 2, 4 and so on as integers."""
    eight = constant(i16x16, 8)
    return b.ashr(b.shl(b.bitcast(value, i16x16.llvm), eight), eight)


@operation(i16x16, b8x32)
def odd_bytes(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Signed bytes 1, 3, 5 and so on as integers."""
    return b.ashr(b.bitcast(value, i16x16.llvm), constant(i16x16, 8))


@operation(f32x8, b8x32, types.int64, types.int64)
def word_bits(b: ir.IRBuilder, value: ir.Value, shift: ir.Value, mask: ir.Value) -> ir.Value:
    """``(word >> shift) & mask`` of eight words of four bytes, as floats. The mask has at most 31 bits."""
    moved = b.lshr(b.bitcast(value, i32x8.llvm), _everywhere(b, b.trunc(shift, I32), 8))
    return b.sitofp(b.and_(moved, _everywhere(b, b.trunc(mask, I32), 8)), f32x8.llvm)


@operation(b8x32, b8x32, types.int64, types.int64)
def words_and(b: ir.IRBuilder, value: ir.Value, shift: ir.Value, mask: ir.Value) -> ir.Value:
    """``(word >> shift) & mask`` of eight words of four bytes."""
    moved = b.lshr(b.bitcast(value, i32x8.llvm), _everywhere(b, b.trunc(shift, I32), 8))
    return b.bitcast(b.and_(moved, _everywhere(b, b.trunc(mask, I32), 8)), b8x32.llvm)


@operation(f32x8, f32x8, f32x8, f32x8)
def where_larger(b: ir.IRBuilder, x: ir.Value, y: ir.Value, value: ir.Value) -> ir.Value:
    """Lane by lane, ``value`` where ``x`` is larger than ``y``, else zero."""
    return b.select(b.fcmp_ordered(">", x, y), value, ir.Constant(value.type, [0.0] * 8))


@operation(types.boolean, f32x8, f32x8)
def any_smaller(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Whether ``x`` is smaller than ``y`` in any lane."""
    mask = b.bitcast(b.fcmp_ordered("<", x, y), ir.IntType(8))
    return b.icmp_unsigned("!=", mask, ir.Constant(mask.type, 0))


@operation(i32x8, f32x8, types.int64)
def truncated(b: ir.IRBuilder, value: ir.Value, shift: ir.Value) -> ir.Value:
    """Floats without their fractions as integers, ``<< shift``, which have to fit."""
    return b.shl(b.fptosi(value, i32x8.llvm), _everywhere(b, b.trunc(shift, I32), 8))


@operation(f32x8, f32x8, f32x8)
def times_power_of_two(b: ir.IRBuilder, value: ir.Value, shifted: ir.Value) -> ir.Value:
    """``value * 2^n`` for a normal result. ``shifted`` is ``1.5 * 2^23 + n``, so that n is in its lowest bits."""
    exponent = b.shl(b.bitcast(shifted, i32x8.llvm), constant(i32x8, 23))
    return b.bitcast(b.add(b.bitcast(value, i32x8.llvm), exponent), f32x8.llvm)
