"""What kernels import: the vector vocabulary, with the byte products of the machine at hand."""

from __future__ import annotations

from typing import Any

from mistralrs_plugins.kernels.cpu.jit import avx2, portable
from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.target import simd

_machine: Any = avx2 if simd() == "avx2" else portable

products_u8_i8 = _machine.products_u8_i8
pair_sums = _machine.pair_sums
with_sign_of = _machine.with_sign_of


@inline
def dot_u8_i8(unsigned: Any, signed: Any) -> Any:
    """Eight integers, each the sum of four products of an unsigned with a signed byte."""
    return pair_sums(products_u8_i8(unsigned, signed))


@inline
def dot_i8_i8(x: Any, y: Any) -> Any:
    """The same for two signed vectors: the sign moves from one factor to the other, ``|x| * (y * sign(x))``."""
    return pair_sums(products_u8_i8(with_sign_of(x, x), with_sign_of(y, x)))
