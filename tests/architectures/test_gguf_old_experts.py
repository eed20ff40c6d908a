"""GGUF files from before experts were stacked have a tensor for each expert; they give the same logits."""

from __future__ import annotations

from pathlib import Path

import gguf_files
import pytest
import torch
import transformers
from cases import EXPERTS, SIZES, state_of

from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.loading.inspect import inspect
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import CheckpointSource, DictSource


def test_a_tensor_for_each_expert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = PluginHost()
    config = transformers.MixtralConfig(**{**SIZES, **EXPERTS, "sliding_window": None})
    torch.manual_seed(3)
    state = state_of(transformers.MixtralForCausalLM._from_config(config))
    spec = host.resolve("architecture", "MixtralForCausalLM")
    monkeypatch.setattr(gguf_files, "folded", lambda state, config: state)
    path = tmp_path / "mixtral.gguf"
    gguf_files.write(path, "llama", state, config, spec.gguf.load())
    files = ModelFiles(id="tiny", source="file", root=tmp_path, weights=(path,))
    inspected = inspect(host, files, ModelSelection())
    assert inspected.architecture.name == "mixtral"
    experts = {f"blk.1.ffn_{name}.{expert}.weight" for name in ("gate", "up", "down") for expert in range(4)}
    assert experts <= inspected.checkpoint.tensors.keys()
    source = CheckpointSource(inspected.checkpoint, spec.gguf.load().rename)
    ids = torch.randint(0, SIZES["vocab_size"], (11,), generator=torch.Generator().manual_seed(1)).tolist()
    ours = PagedModel(spec, inspected.raw, source).step({"a": ids})["a"]
    plain = PagedModel(spec, config.to_dict(), DictSource(state)).step({"a": ids})["a"]
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-5)
    assert not source.unread()
