"""The exam of sources with a model to fetch: a folder on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mistralrs.checkpoint import FetchRequest
from mistralrs.testing.conformance import SourceConformance


class TestLocal(SourceConformance):
    plugin = "source/local"

    @pytest.fixture
    def sample(self, tiny_checkpoint: Callable[[str], Path]) -> FetchRequest:
        folder = tiny_checkpoint("llama")
        return FetchRequest(reference=str(folder), suffixes=(".safetensors",), companions=("*.json",))
