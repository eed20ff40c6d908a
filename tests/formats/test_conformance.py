"""The shipped exam of formats, over both built-in ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rawgguf import ARCHITECTURE, ARRAY, Q8_0, STRING, UINT32, RawTensor, array, gguf, pair
from safetensors.numpy import save_file

from mistralrs.checkpoint import ModelFiles
from mistralrs.testing.conformance.format import FormatConformance


class TestGguf(FormatConformance):
    plugin = "format/gguf"

    @pytest.fixture
    def sample(self, tmp_path: Path) -> ModelFiles:
        pairs = [
            ARCHITECTURE,
            pair("tokenizer.ggml.tokens", ARRAY, array(STRING, ["a", "b"])),
            pair("tokenizer.ggml.eos_token_id", UINT32, 1),
            pair("tokenizer.chat_template", STRING, "{{ messages }}"),
        ]
        tensors = [RawTensor("weight", (64, 4), Q8_0), RawTensor("norm", (4,), offset=288)]
        path = tmp_path / "model.gguf"
        path.write_bytes(gguf(pairs, tensors, bytes(304)))
        return ModelFiles(id="sample", source="file", root=tmp_path, weights=(path,))


class TestSafetensors(FormatConformance):
    plugin = "format/safetensors"

    @pytest.fixture
    def sample(self, tmp_path: Path) -> ModelFiles:
        path, config = tmp_path / "model.safetensors", tmp_path / "config.json"
        save_file({"a": np.ones((3, 4), np.float32), "b": np.ones(5, np.float16)}, path)
        config.write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "eos_token_id": [2, 3]}))
        return ModelFiles(
            id="sample", source="file", root=tmp_path, weights=(path,), companions={"config.json": config}
        )
