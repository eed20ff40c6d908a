"""Instructions of AVX2 that quantized products live on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from mistralrs_plugins.kernels.cpu.jit.vectors import Vector, b8x32, constant, i16x16, i32x8, operation


def _call(b: ir.IRBuilder, name: str, result: Vector, x: ir.Value, y: ir.Value) -> ir.Value:
    """LLVM's intrinsic ``name`` of two vectors of one type."""
    kind = ir.FunctionType(result.llvm, [x.type, y.type])
    known = b.module.globals.get(name)
    return b.call(known if known is not None else ir.Function(b.module, kind, name), [x, y])


@operation(i32x8, i16x16, i16x16)
def dot_pairs(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Products of 16-bit integers, neighbours added in 32 bits: ``vpmaddwd``."""
    return _call(b, "llvm.x86.avx2.pmadd.wd", i32x8, x, y)


def lookup(table: Sequence[int]) -> Any:
    """``look_up(codes)``: for each byte, which is 0 to 15, the one of 16 that is kept under it: ``vpshufb``."""

    @operation(b8x32, b8x32)
    def look_up(b: ir.IRBuilder, codes: ir.Value) -> ir.Value:
        # The instruction takes a table for each half of a register.
        return _call(b, "llvm.x86.avx2.pshuf.b", b8x32, constant(b8x32, [*table, *table]), codes)

    return look_up
