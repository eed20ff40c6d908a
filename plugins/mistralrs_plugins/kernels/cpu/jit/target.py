"""The processor that machine code is made for, and the name under which such code can be kept."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from mistralrs.errors import UsageError

HOME = Path(__file__).resolve().parents[1]
"""The folder with the kernels' sources."""


@cache
def simd() -> str:
    """Which byte products kernels use: ``avx2`` where the processor has it, else ``portable``.

    ``MISTRALRS_SIMD`` overrides. Raises UsageError for a name that does not exist or cannot run here.
    """
    able = bool(_features().get("avx2"))
    wanted = os.environ.get("MISTRALRS_SIMD") or ("avx2" if able else "portable")
    if wanted not in ("avx2", "portable"):
        raise UsageError(f"MISTRALRS_SIMD is {wanted!r}", "set it to avx2 or portable, or unset it")
    if wanted == "avx2" and not able:
        raise UsageError("MISTRALRS_SIMD asks for avx2, which this processor does not have", "unset it")
    return wanted


@cache
def _features() -> Any:
    return llvm.get_host_cpu_features()


def machine() -> Any:
    """An LLVM target machine for this processor."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features().flatten(), opt=3, jit=True, reloc="pic", codemodel="default"
    )


@cache
def digest() -> str:
    """A name for everything that machine code depends on: processor, compiler versions, kernel sources."""
    seen = hashlib.sha256()
    facts = [llvm.get_default_triple(), llvm.get_host_cpu_name(), _features().flatten(), simd()]
    facts += [f"{name} {_version(name)}" for name in ("numba", "llvmlite")]
    seen.update("\n".join(facts).encode())
    for source in sorted([*HOME.glob("jit/*.py"), *HOME.glob("kernels/*.py")]):
        seen.update(source.name.encode() + b"\0" + source.read_bytes())
    return seen.hexdigest()[:32]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
