"""Any value in any field is read, or refused by name: never another error, never memory beyond what is there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from cases import SIZES
from pydantic import ValidationError

from mistralrs.checkpoint import TensorInfo
from mistralrs.errors import ModelFormatError
from mistralrs.layouts import F32
from mistralrs.modelkit import TINY
from mistralrs.modelkit.gguf import CONFIG, ROPE
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.weights import MetaSource, measure

STRANGE: list[Any] = [
    None, True, -1, 0, 1, 3, 2**31, 2**63, 10**400, -0.0, 0.5, 1e-300, 1e308, float("nan"), float("inf"),
    "", "none", "yarn", b"\xff", [], [1], [None] * 3, ["full_attention"] * 3, {}, {"type": "yarn"}, {"rope_type": []},
    {"full_attention": None}, {"sliding_attention": {"factor": -1}}, {"rope_type": "yarn", "factor": 1e5},
    {"rope_type": "longrope", "short_factor": "x"}, {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1.5},
]  # fmt: skip
FIELDS = [
    *CONFIG,
    *("rope_theta", "rope_parameters", "rope_scaling", "rope_local_base_freq", "partial_rotary_factor"),
    *(
        "original_max_position_embeddings",
        "layer_types",
        "use_sliding_window",
        "max_window_layers",
        "hidden_activation",
    ),
    *("hidden_act", "attention_bias", "tie_word_embeddings", "query_pre_attn_scalar", "sliding_rope_parameters"),
]
KEYS = [
    *CONFIG.values(),
    *ROPE.values(),
    *("{arch}.rope.dimension_count", "{arch}.rope.freq_base_swa", "general.name", "general.architecture"),
]


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost(Policy())


def build(spec: Any, config: Any) -> None:
    with suppress(ValidationError, ModelFormatError):
        measure(spec.build.load(), spec.config.load().model_validate(config), MetaSource())


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", ["qwen2", "gemma3"])
def test_config_json(host: PluginHost, name: str, field: str) -> None:
    spec = host.resolve("architecture", name)
    for value in STRANGE:
        build(spec, {**TINY, field: value})


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["phi3", "gemma2"])
def test_gguf_metadata(host: PluginHost, name: str, key: str) -> None:
    spec = host.resolve("architecture", name)
    sound = {pattern.format(arch=name): SIZES[field] for field, pattern in CONFIG.items() if field in SIZES}
    yarn = {f"{name}.rope.scaling.type": "yarn", f"{name}.rope.scaling.factor": 2.0, f"{name}.rope.freq_base": 1e4}
    tensors = {"token_embd.weight": _info("token_embd.weight", (96, 32))}
    for value in STRANGE:
        metadata = {"general.architecture": name, **sound, **yarn, key.format(arch=name): value}
        try:
            config = spec.gguf.load().to_config(metadata, tensors)
        except ModelFormatError:
            continue
        build(spec, config)


@pytest.mark.parametrize("shape", [(), (96,), (96, 32, 1), (0, 32), (96, 0)])
def test_an_embedding_of_a_strange_shape(host: PluginHost, shape: tuple[int, ...]) -> None:
    spec = host.resolve("architecture", "llama")
    with pytest.raises((ModelFormatError, ValidationError)):
        spec.config.load().model_validate(
            spec.gguf.load().to_config({"general.architecture": "llama"}, {"token_embd.weight": _info("t", shape)})
        )


def _info(name: str, shape: tuple[int, ...]) -> TensorInfo:
    return TensorInfo(name=name, shape=shape, layout=F32)
