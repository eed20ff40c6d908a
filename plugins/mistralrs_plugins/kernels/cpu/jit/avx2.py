"""The integer product with AVX2: the one instruction that a quantized product lives on."""

from __future__ import annotations

from llvmlite import ir

from mistralrs_plugins.kernels.cpu.jit.vectors import i16x16, i32x8, operation


@operation(i32x8, i16x16, i16x16)
def dot_pairs(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Products of 16-bit integers, neighbours added in 32 bits: ``vpmaddwd``."""
    name, kind = "llvm.x86.avx2.pmadd.wd", ir.FunctionType(i32x8.llvm, [i16x16.llvm, i16x16.llvm])
    known = b.module.globals.get(name)
    return b.call(known if known is not None else ir.Function(b.module, kind, name), [x, y])
