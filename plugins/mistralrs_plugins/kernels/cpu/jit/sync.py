"""What threads need to work together: atomic memory, waiting, and calling one another's code by address.

Waiting in the kernel uses Linux's futex (futex(2)): a thread sleeps while a 32-bit word has the value it saw.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Any

from llvmlite import ir
from numba.core import types

from mistralrs_plugins.kernels.cpu.jit.memory import I32, I64
from mistralrs_plugins.kernels.cpu.jit.vectors import operation

_SYS_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
_FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # with the flag that says the word is private to this process
_DOZE_NANOSECONDS = 5_000_000
_PAUSE = {"x86_64": "llvm.x86.sse2.pause"}.get(platform.machine())


def _function(b: ir.IRBuilder, name: str, kind: ir.FunctionType) -> Any:
    known = b.module.globals.get(name)
    return known if known is not None else ir.Function(b.module, kind, name)


def _pointer(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    return b.inttoptr(address, I64.as_pointer())


@operation(types.int64, types.int64)
def atomic_load(b: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """Read a word that other threads write; later reads are not moved before it."""
    return b.load_atomic(_pointer(b, address), "seq_cst", 8)


@operation(types.void, types.int64, types.int64)
def atomic_store(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write a word that other threads read; earlier writes are seen before it."""
    b.store_atomic(value, _pointer(b, address), "seq_cst", 8)


@operation(types.int64, types.int64, types.int64)
def atomic_add(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> ir.Value:
    """Add to a word; the value it had before."""
    return b.atomic_rmw("add", _pointer(b, address), value, "seq_cst")


@operation(types.boolean, types.int64, types.int64, types.int64)
def atomic_swap(b: ir.IRBuilder, address: ir.Value, expected: ir.Value, wanted: ir.Value) -> ir.Value:
    """Write ``wanted`` if the word is still ``expected``; whether it was."""
    both = b.cmpxchg(_pointer(b, address), expected, wanted, "seq_cst", "seq_cst")
    return b.extract_value(both, 1)


@operation(types.void)
def pause(b: ir.IRBuilder) -> None:
    """Tell the processor that this is a waiting loop."""
    if _PAUSE is not None:
        b.call(_function(b, _PAUSE, ir.FunctionType(ir.VoidType(), [])), [])


def _futex(b: ir.IRBuilder, address: ir.Value, what: int, value: ir.Value, limit: ir.Value | None = None) -> None:
    """``limit`` is the address of a timespec: seconds and nanoseconds."""
    if _SYS_FUTEX is None or sys.platform != "linux":  # elsewhere the waiting loop just gives way
        b.call(_function(b, "sched_yield", ir.FunctionType(I32, [])), [])
        return
    call = _function(b, "syscall", ir.FunctionType(I64, [I64], var_arg=True))
    null = ir.Constant(I64, 0)
    b.call(call, [ir.Constant(I64, _SYS_FUTEX), address, ir.Constant(I64, what), value, limit or null, null, null])


@operation(types.void, types.int64, types.int64)
def sleep_while(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Sleep until woken, unless the low 32 bits at ``address`` already differ from ``value``'s."""
    _futex(b, address, _FUTEX_WAIT, b.and_(value, ir.Constant(I64, 0xFFFFFFFF)))


@operation(types.void, types.int64, types.int64)
def doze_while(b: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """The same for a few milliseconds at most."""
    with b.goto_entry_block():
        limit = b.alloca(ir.ArrayType(I64, 2))
    b.store(ir.Constant(limit.type.pointee, [0, _DOZE_NANOSECONDS]), limit)
    low = b.and_(value, ir.Constant(I64, 0xFFFFFFFF))
    _futex(b, address, _FUTEX_WAIT, low, b.ptrtoint(limit, I64))


@operation(types.void, types.int64)
def wake_all(b: ir.IRBuilder, address: ir.Value) -> None:
    """Wake every thread that sleeps on ``address``."""
    _futex(b, address, _FUTEX_WAKE, ir.Constant(I64, ctypes.c_int32(-1).value & 0x7FFFFFFF))


@operation(types.void, types.int64, types.int64, types.int64, types.int64)
def call_kernel(b: ir.IRBuilder, code: ir.Value, args: ir.Value, chunk: ir.Value, thread: ir.Value) -> None:
    """Run the kernel whose machine code lies at ``code``, in the convention of :func:`.compiler.compile_object`."""
    kind = ir.FunctionType(I32, [I64.as_pointer(), I64.as_pointer(), I64, I64, I64])
    with b.goto_entry_block():
        unused = [b.alloca(I64) for _ in range(2)]
    b.call(b.inttoptr(code, kind.as_pointer()), [*unused, args, chunk, thread])
