"""The processor that machine code is made for, and the name under which such code can be kept."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from mistralrs.errors import UsageError

COMPILER = Path(__file__).resolve().parent
KERNELS = COMPILER.parent / "kernels"
"""The folder with the kernels' sources."""

_IMPORT, _WORD = re.compile(r"^(?:from|import)\b(?:[^(\n]|\([^)]*\))*", re.MULTILINE), re.compile(r"\w+")


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
def digest(module: str) -> str:
    """A name for everything that the machine code of a module of kernels depends on: processor, compiler versions,
    and the sources of the module, of what it imports and of the compiler's own pieces."""
    seen = _common().copy()
    for source in sorted(_with_imports(KERNELS / f"{module}.py")):
        seen.update(source.name.encode() + b"\0" + source.read_bytes())
    return seen.hexdigest()[:32]


@cache
def _common() -> hashlib._Hash:
    """The hash of what all kernels depend on."""
    facts = [llvm.get_default_triple(), llvm.get_host_cpu_name(), _features().flatten(), simd()]
    facts += [f"{name} {_version(name)}" for name in ("numba", "llvmlite")]
    seen = hashlib.sha256("\n".join(facts).encode())
    for source in sorted(COMPILER.glob("*.py")):
        seen.update(source.name.encode() + b"\0" + source.read_bytes())
    return seen


def _with_imports(source: Path) -> set[Path]:
    """A module of kernels and the others that it imports, directly or not."""
    found, left = {source}, [source]
    while left:
        new = _imports(left.pop()) - found
        found |= new
        left += new
    return found


@cache
def _imports(source: Path) -> frozenset[Path]:
    """Modules of kernels that a module imports: every word of its import statements that is one's name."""
    names = {word for statement in _IMPORT.findall(source.read_text("utf-8")) for word in _WORD.findall(statement)}
    return frozenset(path for name in names if (path := KERNELS / f"{name}.py").is_file())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
