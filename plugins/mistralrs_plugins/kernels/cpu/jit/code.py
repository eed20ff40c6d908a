"""Machine code of kernels: found in memory, else on disk, else compiled and kept for the next start.

The cache lies in the user's cache folder under a name that stands for the processor, the compiler and every kernel
source, so nothing in it is ever out of date. Each file starts with the checksum of what follows: a damaged one is
compiled again.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from platformdirs import user_cache_path

from mistralrs_plugins.kernels.cpu.jit.target import digest, machine

log = logging.getLogger(__name__)

_PACKAGE = "mistralrs_plugins.kernels.cpu.kernels"
_CHECKSUM_BYTES = 32


class _Code:
    """The process's machine code. LLVM keeps it for as long as its engine lives, which is for ever.

    Every kernel has an engine of its own: within one, LLVM takes the first object's constants for those of a later one
    that has a constant of the same local name.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.engines: list[Any] = []
        self.addresses: dict[str, int] = {}
        self.fresh: dict[str, bytes] = {}  # compiled or read, not loaded yet

    def address(self, name: str) -> int:
        with self.lock:
            if name not in self.addresses:
                self.addresses[name] = self._load(name)
            return self.addresses[name]

    def _load(self, name: str) -> int:
        code = self.fresh.pop(name, None) or _read(name)
        if code is None:
            code = compiled(name)
            _write(name, code)
        target = machine()  # also initializes LLVM
        # llvmlite's own memory manager keeps an object's code and constants together. LLVM's puts them wherever
        # there is room, and aborts the process when a model's weights have pushed them more than 2 GiB apart.
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target, use_lmm=True)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        self.engines.append(engine)
        address: int = engine.get_function_address(_symbol(name))
        return address


_code = _Code()


def kernel_address(name: str) -> int:
    """Where the machine code of a kernel lies. ``name`` is ``module:function`` among the kernels, or
    ``module:factory:argument`` where ``factory(argument)`` makes the function."""
    return _code.address(name)


def is_kept(name: str) -> bool:
    """Whether a kernel need not be compiled."""
    if name in _code.addresses or name in _code.fresh:
        return True
    code = _read(name)
    if code is not None:
        with _code.lock:
            _code.fresh[name] = code
    return code is not None


def keep(name: str, code: bytes) -> None:
    """Take a kernel that another process has compiled."""
    _write(name, code)
    with _code.lock:
        _code.fresh[name] = code


@cache
def kernel_function(name: str, arguments: int) -> Callable[..., None]:
    """A kernel to call from Python with int64 numbers. The interpreter lock is not held meanwhile."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * arguments)
    code = kind(kernel_address(name))
    results = (ctypes.c_int64 * 2)()  # see compile_object
    first = ctypes.addressof(results)

    def call(*args: int, _keep: Any = results) -> None:
        code(first, first + 8, *args)

    return call


def folder(module: str) -> Path:
    """Where what is known of a module's kernels is kept: its name stands for all that their code depends on."""
    return Path(user_cache_path("mistralrs")) / "kernels" / digest(module)


def _file(name: str) -> Path:
    """Where a kernel's object is kept."""
    return folder(name.partition(":")[0]) / (name.replace(":", "-") + ".o")


def _read(name: str) -> bytes | None:
    """The object from disk, or None when there is none or it is damaged."""
    try:
        data = _file(name).read_bytes()
    except OSError:
        return None
    checksum, code = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if hashlib.sha256(code).digest() == checksum:
        return code
    log.warning("the compiled kernel %s is damaged on disk; it is compiled again", name)
    return None


def _write(name: str, code: bytes) -> None:
    write_whole(_file(name), hashlib.sha256(code).digest() + code)


def write_whole(file: Path, data: bytes) -> None:
    """Keep ``data``, all or nothing. A cache that cannot be written costs time at the next start, no more."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, part = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        os.replace(part, file)
    except OSError as error:
        log.info("compiled kernels are not kept in %s: %s", file.parent, error.strerror)


def _symbol(name: str) -> str:
    return "mistralrs_" + name.replace(":", "_").replace(".", "_")


def compiled(name: str) -> bytes:
    """Compile a kernel, whether or not it is kept anywhere; its object."""
    from mistralrs_plugins.kernels.cpu.jit.compiler import compile_object  # imports numba

    started = time.perf_counter()
    module, attribute, *arguments = name.split(":")
    function = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), attribute)
    code = compile_object(function(*arguments) if arguments else function, _symbol(name))
    log.info("compiled the kernel %s in %.1f s", name, time.perf_counter() - started)
    return code
