"""Any value in the fields of recurrent layers is read, or refused by name: in config.json and in GGUF metadata."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from pydantic import ValidationError

from mistralrs.checkpoint import TensorInfo
from mistralrs.errors import ModelFormatError
from mistralrs.layouts import F32
from mistralrs.modelkit.state_gguf import DELTA_CONFIG, SSM_CONFIG
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.weights import MetaSource, measure

STRANGE: list[Any] = [
    None, True, -1, 0, 1, 3, 2**31, 2**63, 10**400, 0.5, 1e308, float("nan"), float("inf"), "", "auto", b"\xff",
    [], [0, 0], [0, 2], [2**40] * 2, [None] * 2, ["mamba"] * 2, ["conv", 1], [float("nan")] * 2, [2.0, 1.0], {},
]  # fmt: skip
FIELDS = {
    "mamba2": ("num_heads", "head_dim", "state_size", "n_groups", "conv_kernel", "expand", "time_step_limit"),
    "granitemoehybrid": ("layer_types", "num_local_experts", "mamba_d_head", "mamba_n_groups", "mamba_n_heads"),
    "qwen3-5": ("layer_types", "full_attention_interval", "linear_num_key_heads", "linear_conv_kernel_dim"),
    "lfm2": ("layer_types", "full_attn_idxs", "conv_L_cache", "block_multiple_of", "block_ffn_dim_multiplier"),
    "jamba": ("attn_layer_period", "attn_layer_offset", "expert_layer_period", "num_experts", "mamba_dt_rank"),
    "falcon-h1": ("ssm_multipliers", "mlp_multipliers", "key_multiplier", "mamba_d_ssm"),
    "nemotron-h": ("hybrid_override_pattern", "layers_block_type", "time_step_min", "mamba_num_heads"),
    "bamba": ("attn_layer_indices", "mamba_expand"),
}
CASES = [(name, field) for name, fields in FIELDS.items() for field in fields]


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost(Policy())


def build(spec: Any, config: Any) -> None:
    with suppress(ValidationError, ModelFormatError):
        measure(spec.build.load(), spec.config.load().model_validate(config), MetaSource())


@pytest.mark.parametrize(("name", "field"), CASES)
def test_config_json(host: PluginHost, name: str, field: str) -> None:
    spec = host.resolve("architecture", name)
    for value in STRANGE:
        build(spec, {**spec.tiny, field: value})
    build(spec, {key: value for key, value in spec.tiny.items() if key != field})


@pytest.mark.parametrize("key", [*SSM_CONFIG.values(), *DELTA_CONFIG.values(), "{arch}.attention.head_count_kv"])
@pytest.mark.parametrize("name", ["mamba2", "granitemoehybrid", "qwen3next", "jamba"])
def test_metadata(host: PluginHost, name: str, key: str) -> None:
    spec = host.resolve("architecture", name)
    arch = spec.gguf_names[0]
    sizes = {
        "embedding_length": 32, "feed_forward_length": 48, "block_count": 2, "attention.head_count": 4,
        "attention.head_count_kv": [0, 2], "context_length": 128, "attention.key_length": 8, "ssm.conv_kernel": 4,
        "ssm.inner_size": 64, "ssm.state_size": 8, "ssm.group_count": 2, "ssm.time_step_rank": 4,
        "full_attention_interval": 2, "attention.layer_norm_rms_epsilon": 1e-5,
    }  # fmt: skip
    metadata = {"general.architecture": arch, **{f"{arch}.{name}": value for name, value in sizes.items()}}
    tensors = {"token_embd.weight": TensorInfo("token_embd.weight", (64, 32), F32)}
    for value in STRANGE:
        with suppress(ModelFormatError):
            build(spec, spec.gguf.load().to_config({**metadata, key.format(arch=arch): value}, tensors))
