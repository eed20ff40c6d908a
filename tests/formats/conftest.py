"""Fixtures of the format tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from rawgguf import OpenGguf

from mistralrs.checkpoint import ModelFiles
from mistralrs_plugins.formats.gguf.checkpoint import GgufCheckpoint, open_gguf


@pytest.fixture
def open_bytes(tmp_path: Path) -> OpenGguf:
    """Opens the bytes of one GGUF file, written as ``model.gguf``."""

    def opening(content: bytes) -> GgufCheckpoint:
        path = tmp_path / "model.gguf"
        path.write_bytes(content)
        return open_gguf(ModelFiles(id="test", source="file", root=tmp_path, weights=(path,)))

    return opening
