"""From a Python function to machine code, by way of numba and LLVM.

Only this module, and what kernels import, needs numba; code that was compiled before is loaded without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import llvmlite.binding as llvm
from numba import njit

from mistralrs_plugins.kernels.cpu.jit.target import machine
from mistralrs_plugins.kernels.cpu.jit.vectors import FAST

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = {
    "fastmath": set(FAST),
    "error_model": "numpy",  # no exception for a division by zero: it gives infinity or NaN
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


def inline(function: F) -> F:
    """A small piece of kernels that disappears into its caller."""
    compiled: F = njit(forceinline=True, **_OPTIONS)(function)
    return compiled


def part(function: F) -> F:
    """A part of kernels that is compiled once and called; LLVM may still move it into its caller."""
    compiled: F = njit(**_OPTIONS)(function)
    return compiled


def compile_object(function: Callable[..., None], symbol: str) -> bytes:
    """Machine code, as a relocatable object, of a function of int64 numbers that returns nothing.

    In the object it is called ``symbol`` and has numba's own convention: two addresses that it may write a result and
    an exception to, then the arguments. Kernels do neither, but the caller has to pass both.
    """
    count = function.__code__.co_argcount
    dispatcher = njit(f"void({', '.join(['int64'] * count)})", **_OPTIONS)(function)
    (overload,) = dispatcher.overloads.values()
    module = llvm.parse_assembly(overload.library.get_llvm_str())
    module.get_function(overload.fndesc.llvm_func_name).name = symbol
    code: bytes = machine().emit_object(module)
    return code
