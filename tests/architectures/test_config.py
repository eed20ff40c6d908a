"""Configurations as models on the hub state them: older forms, nulls, and values that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from cases import SIZES
from pydantic import ValidationError

from mistralrs.modelkit import CausalConfig
from mistralrs.modelkit.gguf import PLAIN
from mistralrs.plugin import ModelFacts
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost(Policy())


def read(host: PluginHost, name: str, **fields: Any) -> Any:
    return host.resolve("architecture", name).config.load().model_validate({**SIZES, **fields})


def test_older_rope_scaling(host: PluginHost) -> None:
    scaling = {"type": "linear", "factor": 2.0}
    table = read(host, "llama", rope_theta=5e5, rope_scaling=scaling).rope_parameters
    assert (table.rope_type, table.factor, table.rope_theta) == ("linear", 2.0, 5e5)
    assert read(host, "llama", rope_theta=5e5, rope_scaling=None).rope_parameters.rope_theta == 5e5


@pytest.mark.parametrize("kind", ["su", "yarn", "longrope"])
def test_names_of_longrope(host: PluginHost, kind: str) -> None:
    factors = {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    config = read(host, "phi3", original_max_position_embeddings=32, rope_scaling={"type": kind, **factors})
    assert config.rope_parameters.rope_type == "longrope"
    assert config.rope_parameters.original_max_position_embeddings == 32


def test_two_rope_bases_in_either_form(host: PluginHost) -> None:
    older = read(host, "gemma3", rope_theta=2e6, rope_local_base_freq=2e4, rope_scaling={"type": "linear", "factor": 8})
    newer = read(
        host,
        "gemma3",
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 2e4},
        },
    )
    assert older.rope_parameters == newer.rope_parameters
    assert older.sliding_rope_parameters == newer.sliding_rope_parameters
    bare = read(host, "gemma3")
    assert (bare.rope_parameters.rope_theta, bare.sliding_rope_parameters.rope_theta) == (1e6, 1e4)


def test_which_layers_slide(host: PluginHost) -> None:
    assert [read(host, "gemma2").slides(layer) for layer in range(3)] == [True, False, True]
    assert all(read(host, "gemma3").slides(layer) for layer in range(3))
    late = read(host, "qwen2", use_sliding_window=True, sliding_window=4, max_window_layers=1)
    assert [late.slides(layer) for layer in range(3)] == [False, True, True]
    off = read(host, "qwen2", use_sliding_window=False, sliding_window=4, max_window_layers=1)
    assert off.sliding_window is None
    assert not off.slides(2)


def test_null_switches_off_what_may_be_off(host: PluginHost) -> None:
    config = read(host, "gemma2", attn_logit_softcapping=None, head_dim=None)
    assert config.attn_logit_softcapping is None
    assert config.final_logit_softcapping == 30
    assert config.head_dim == 256


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_key_value_heads": 3}, "must be a multiple of num_key_value_heads"),
        ({"num_attention_heads": 0}, "greater than 0"),
        ({"num_hidden_layers": 10**9}, "less than or equal to 4096"),
        ({"hidden_size": -1}, "greater than 0"),
        ({"head_dim": 7}, "multiple of 2"),
        ({"layer_types": ["full_attention"]}, "layer_types lists 1 layers of 3"),
        ({"layer_types": ["linear_attention"] * 3}, "'sliding_attention' or 'full_attention'"),
        ({"use_bidirectional_attention": True}, "use_bidirectional_attention"),
        ({"rope_scaling": {"type": "unheard-of"}}, "rope_type"),
        ({"rope_scaling": {"type": "linear"}}, "needs a factor"),
        ({"rope_scaling": "linear"}, "rope_parameters"),
        ({"rope_theta": float("nan")}, "rope_theta"),
        ({"rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}, "has 1 entries"),
        ({"rope_scaling": {"type": "longrope", "short_factor": [0.0] * 4}}, "greater than 0"),
        ({"partial_rotary_factor": 0.1}, "would rotate 0 of a head's 8 numbers"),
        ({"rope_parameters": {"full_attention": 3}}, "rope_parameters"),
    ],
)
def test_what_cannot_be_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CausalConfig.model_validate({**SIZES, **fields})


@pytest.mark.parametrize(
    ("stated", "tensors", "expected"),
    [
        ({}, [], "llama"),
        ({"general.name": "SmolLM2 135M"}, [], "llama"),
        ({"general.name": "Mistral-7B-Instruct-v0.3"}, [], "mistral"),
        ({"general.name": "x", "general.basename": "Mathstral"}, [], "mistral"),
        ({"general.name": "Mixtral 8x7B"}, ["blk.0.ffn_gate_exps.weight"], "mixtral"),
    ],
)
def test_who_reads_a_llama_file(host: PluginHost, stated: dict[str, Any], tensors: list[str], expected: str) -> None:
    facts = ModelFacts({"general.architecture": "llama", **stated}, tensors)
    assert host.resolve("architecture", "gguf:llama", facts=facts).name == expected


def test_sliding_layers_listed_by_a_file() -> None:
    metadata = {"general.architecture": "a", "a.attention.sliding_window_pattern": [True, False]}
    found = PLAIN.to_config(metadata, {"token_embd.weight": _Info((96, 32))})  # type: ignore[dict-item]
    assert found["layer_types"] == ["sliding_attention", "full_attention"]


class _Info:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
