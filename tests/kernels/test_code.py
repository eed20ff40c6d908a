"""Machine code on disk: found again, rebuilt when damaged, done without when it cannot be kept."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mistralrs.errors import UsageError
from mistralrs_plugins.kernels.cpu.jit import code, target

KERNEL = "executor:stop"  # the smallest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setattr(code, "user_cache_path", lambda _name: tmp_path)
    return tmp_path


def test_kept_and_found_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code._Code().address(KERNEL)
    (file,) = home.rglob("*.o")
    assert file.parent.name == target.digest("executor")
    monkeypatch.setattr(code, "compiled", lambda *_: pytest.fail("compiled again"))
    assert code._Code().address(KERNEL)


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 5000])
def test_a_damaged_file_is_compiled_again(home: Path, caplog: pytest.LogCaptureFixture, damage: bytes) -> None:
    code._Code().address(KERNEL)
    (file,) = home.rglob("*.o")
    whole = file.read_bytes()
    file.write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        assert code._Code().address(KERNEL)
    assert "damaged" in caplog.text
    assert len(file.read_bytes()) == len(whole)


def test_a_cache_that_cannot_be_written_does_no_harm(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = home / "file"
    blocked.write_text("not a folder")
    monkeypatch.setattr(code, "user_cache_path", lambda _name: blocked)
    assert code._Code().address(KERNEL)


def test_an_unknown_vocabulary_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRALRS_SIMD", "mmx")
    target.simd.cache_clear()
    try:
        with pytest.raises(UsageError, match="mmx"):
            target.simd()
    finally:
        target.simd.cache_clear()
