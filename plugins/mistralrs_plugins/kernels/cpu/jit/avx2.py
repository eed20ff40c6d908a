"""Products of bytes with AVX2: the three instructions that a quantized dot product lives on."""

from __future__ import annotations

from llvmlite import ir

from mistralrs_plugins.kernels.cpu.jit.vectors import b8x32, constant, i16x16, i32x8, operation


def _machine(b: ir.IRBuilder, name: str, result: ir.Type, *args: ir.Value) -> ir.Value:
    kind = ir.FunctionType(result, [arg.type for arg in args])
    known = b.module.globals.get(name)
    return b.call(known if known is not None else ir.Function(b.module, kind, name), args)


@operation(i16x16, b8x32, b8x32)
def products_u8_i8(b: ir.IRBuilder, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
    """Products of unsigned with signed bytes, neighbours added: ``vpmaddubsw``.

    A sum beyond 16 bits saturates, so unsigned values up to 128 are safe with signed ones from -127 to 127.
    """
    return _machine(b, "llvm.x86.avx2.pmadd.ub.sw", i16x16.llvm, unsigned, signed)


@operation(i32x8, i16x16)
def pair_sums(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Neighbours added in 32 bits: ``vpmaddwd`` with ones."""
    return _machine(b, "llvm.x86.avx2.pmadd.wd", i32x8.llvm, value, constant(i16x16, 1))


@operation(b8x32, b8x32, b8x32)
def with_sign_of(b: ir.IRBuilder, value: ir.Value, sign: ir.Value) -> ir.Value:
    """``value`` negated where ``sign`` is negative, zero where it is zero: ``vpsignb``."""
    return _machine(b, "llvm.x86.avx2.psign.b", b8x32.llvm, value, sign)
