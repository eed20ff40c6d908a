"""Kernels compiled by other processes, and what happens when these do not do it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mistralrs_plugins.kernels.cpu.jit import code, parallel, target

KERNELS = ("executor:stop", "elementwise:rows")  # the smallest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, on disk and in memory, on a machine with two processors."""
    monkeypatch.setattr(code, "user_cache_path", lambda _name: tmp_path)
    monkeypatch.setattr(code, "_code", code._Code())
    monkeypatch.setattr(parallel, "usable_cpus", lambda: 2)
    return tmp_path


def test_other_processes_compile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "compiled", lambda *_: pytest.fail("compiled here"))
    told: list[int] = []
    parallel.prepare(KERNELS, told.append)
    assert sorted(told) == told
    assert told[-1] == len(KERNELS)
    assert len(list(home.rglob("*.o"))) == len(KERNELS)
    assert all(code.is_kept(name) and code.kernel_address(name) for name in KERNELS)
    monkeypatch.setattr(parallel, "_compile", lambda *_: pytest.fail("compiled again"))
    parallel.prepare(KERNELS)


def test_processes_that_end_at_once_are_done_without(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_WORKER", "this")  # a module that prints, and reads nothing
    parallel.prepare(KERNELS)
    assert all(code.kernel_address(name) for name in KERNELS)


def test_without_processes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(home / "missing"))
    parallel.prepare(KERNELS)
    assert all(code.kernel_address(name) for name in KERNELS)


def test_a_kernel_depends_on_what_its_module_imports() -> None:
    def modules(name: str) -> set[str]:
        return {source.stem for source in target._with_imports(target.KERNELS / f"{name}.py")}

    assert {"attention", "cache", "functions"} <= modules("attention")
    assert {"dense", "rows", "blocks32", "kquants", "layout"} <= modules("dense")
    assert "product" not in modules("attention")
    assert target.digest("attention") != target.digest("norm")
