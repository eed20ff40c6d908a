"""What doctor makes of GPUs, with a torch that claims to have some."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from mistralrs.api import system


class Cuda:
    """Two GPUs, the second of which its driver cannot talk to."""

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 2

    def get_device_properties(self, index: int) -> Any:
        return SimpleNamespace(name=f"GPU {index}", major=9, minor=0)

    def mem_get_info(self, index: int) -> tuple[int, int]:
        if index == 1:
            raise RuntimeError("CUDA error: unspecified launch failure\nat 0x7f12ab34cd56")
        return 60, 80


def test_gpus_with_their_memory_and_their_troubles(monkeypatch: pytest.MonkeyPatch) -> None:
    no_mps = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=Cuda(), backends=no_mps))
    first, second = system._accelerators()
    assert first == {
        "device": "cuda:0",
        "name": "GPU 0",
        "memory_bytes": 80,
        "available_memory_bytes": 60,
        "compute_capability": "9.0",
    }
    assert second["device"] == "cuda:1"
    assert "unspecified launch failure" in second["error"]
    assert "0x7f12" not in second["error"]


def test_without_torch_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert list(system._accelerators()) == []
