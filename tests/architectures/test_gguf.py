"""A GGUF written from a tiny checkpoint gives the same logits as the checkpoint itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers
from cases import SIZES
from paged import PagedModel

from mistralrs.checkpoint import ModelFiles
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.weights import CheckpointSource, DictSource


def permute(rows: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """The order in which Llama converters write query and key rows: the halves of a head interleaved."""
    width = rows.shape[1:]
    return rows.reshape(heads, 2, -1, *width).swapaxes(1, 2).reshape(rows.shape)


def write(path: Path, arch: str, state: dict[str, torch.Tensor], config: Any, rename: Any) -> None:
    writer = gguf.GGUFWriter(str(path), arch)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    if getattr(config, "head_dim", None):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    for name, tensor in state.items():
        data = tensor.numpy()
        if arch == "llama" and ("q_proj" in name or "k_proj" in name):
            data = permute(data, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
        writer.add_tensor(rename(name), np.ascontiguousarray(data))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize(
    ("arch", "key", "config_class", "extra"),
    [
        ("llama", "LlamaForCausalLM", "LlamaConfig", {}),
        ("qwen2", "Qwen2ForCausalLM", "Qwen2Config", {}),
        ("qwen3", "Qwen3ForCausalLM", "Qwen3Config", {"head_dim": 16}),
    ],
)
def test_gguf_equals_safetensors(tmp_path: Path, arch: str, key: str, config_class: str, extra: dict[str, Any]) -> None:
    host = PluginHost(Policy())
    config = getattr(transformers, config_class)(**{**SIZES, **extra})
    torch.manual_seed(3)
    state = dict(getattr(transformers, key)._from_config(config).state_dict())
    spec = host.resolve("architecture", f"gguf:{arch}")
    assert spec is host.resolve("architecture", key)
    table = spec.gguf.load()
    path = tmp_path / "tiny.gguf"
    write(path, arch, state, config, table.rename)

    opener = host.resolve("format", ".gguf").opener.load()
    checkpoint = opener(ModelFiles(id="tiny", source="file", root=tmp_path, weights=(path,)))
    source = CheckpointSource(checkpoint, table.rename)
    converted = table.to_config(checkpoint.metadata, checkpoint.tensors)
    ids = torch.randint(0, SIZES["vocab_size"], (19,), generator=torch.Generator().manual_seed(1)).tolist()
    ours = PagedModel(spec, converted, source).step({"a": ids})["a"]
    plain = PagedModel(spec, config.to_dict(), DictSource(state)).step({"a": ids})["a"]
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-5)
    assert not source.unread()
