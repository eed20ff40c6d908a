"""Vector values that numba's compiler understands: their types and the arithmetic between them.

Every vector is 256 bits wide (half of it for ``b8x16``), which is one AVX2 register; on machines with narrower
registers LLVM splits the operations. Floating-point operations may be contracted into fused multiply-adds, but they
keep NaN and infinity: a damaged input must stay visible in the result.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

FAST = ("contract", "nsz")
"""What the compiler may do to float arithmetic: fuse multiply and add. Not to change the order of sums, which would
differ between kernels, nor to assume that there are no NaNs or infinities."""


class Vector(types.Type):
    """``lanes`` values of one LLVM type side by side."""

    def __init__(self, name: str, element: ir.Type, lanes: int) -> None:
        super().__init__(name=name)
        self.llvm = ir.VectorType(element, lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, kind.llvm)


b8x16 = Vector("b8x16", ir.IntType(8), 16)
b8x32 = Vector("b8x32", ir.IntType(8), 32)
i16x16 = Vector("i16x16", ir.IntType(16), 16)
i32x8 = Vector("i32x8", ir.IntType(32), 8)
f32x8 = Vector("f32x8", ir.FloatType(), 8)

_NAMES: dict[Any, tuple[str, str]] = {
    operator.add: ("fadd", "add"),
    operator.iadd: ("fadd", "add"),
    operator.sub: ("fsub", "sub"),
    operator.mul: ("fmul", "mul"),
    operator.truediv: ("fdiv", ""),
    operator.or_: ("", "or_"),
}
"""LLVM's instruction for each operator, between floats and between integers; none where it has no meaning."""


def floats(kind: Any) -> bool:
    """Whether a vector's values are floats."""
    return isinstance(kind.llvm.element, ir.FloatType)


def _define(symbol: Callable[..., Any]) -> None:
    """Teach the compiler ``symbol`` between two vectors of one type."""

    class Same(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: tuple[types.Type, ...], kws: Any) -> Any:
            same = len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]
            known = same and _NAMES[symbol][0 if floats(args[0]) else 1]
            return signature(args[0], *args) if known else None

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: tuple[ir.Value, ...]) -> ir.Value:
        if floats(sig.return_type):
            return getattr(builder, _NAMES[symbol][0])(*args, flags=FAST)
        return getattr(builder, _NAMES[symbol][1])(*args)

    infer_global(symbol)(Same)
    lower_builtin(symbol, Vector, Vector)(lower)


for _symbol in list(_NAMES):
    _define(_symbol)


def operation(result: types.Type, *parameters: types.Type) -> Callable[[Callable[..., ir.Value]], Any]:
    """Decorate ``emit(builder, *values) -> value`` into a function that kernels can call."""

    def wrap(emit: Callable[..., ir.Value]) -> Any:
        def typed(_context: Any, *_args: types.Type) -> Any:
            def lower(context: Any, builder: ir.IRBuilder, _sig: Any, args: tuple[ir.Value, ...]) -> ir.Value:
                value = emit(builder, *args)
                return context.get_dummy_value() if result is types.void else value

            return result(*parameters), lower

        names = ["context", *(f"value{index}" for index in range(len(parameters)))]
        taken = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        typed.__signature__ = Signature(taken)  # type: ignore[attr-defined]
        typed.__name__ = emit.__name__
        typed.__doc__ = emit.__doc__
        return intrinsic(typed)

    return wrap


def constant(kind: Vector, values: int | list[int]) -> ir.Constant:
    """A vector of known integers; one number fills all lanes."""
    lanes = kind.llvm.count
    return ir.Constant(kind.llvm, values if isinstance(values, list) else [values] * lanes)


def shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, lanes: list[int]) -> ir.Value:
    """The ``lanes`` of ``a`` and ``b`` laid one after another."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))
