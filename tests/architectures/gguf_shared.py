"""Gemma 3n and 4 as llama.cpp's converters write them, and the cases to write."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import gguf
import numpy as np
import torch
from cases import SIZES
from shared_cases import BOTH, EXPERTS, GEMMA3N, GEMMA4, LARGE

State = dict[str, torch.Tensor]
GELU = 1e-3  # see test_gguf.py
STREAMS = ("model.altup_projections", "model.altup_unembed_projections")
# llama.cpp takes a deviation of n numbers over n - 1, the model over n: a share that cuts off the same all the same.
INNER = SIZES["intermediate_size"]
CUT_OFF = NormalDist().cdf(NormalDist().inv_cdf(0.95) * math.sqrt(INNER / (INNER - 1)))
# llama.cpp has the rank, the size and the sparsity as constants, and shares keys after 20 layers.
STATED: dict[str, Any] = {
    "num_hidden_layers": 5,
    "layer_types": None,
    "num_kv_shared_layers": 0,
    "hidden_size_per_layer_input": 256,
    "laurel_rank": 64,
    "activation_sparsity_pattern": [CUT_OFF] * 5,
}
# The layers behind the first 20 share keys, and have some of their own in the file that nobody reads.
FORGETFUL = {
    "num_hidden_layers": 24,
    "initializer_range": 0.05,  # so many layers magnify what the table of GELU leaves out
    "num_kv_shared_layers": 4,
    "layer_types": BOTH * 12,
    "activation_sparsity_pattern": [CUT_OFF] * 10 + [0.0] * 14,
}
SHARING = {**GEMMA3N, **STATED, **FORGETFUL}
WIDE = {"use_double_wide_mlp": True}
CAPPED = {"final_logit_softcapping": 30.0}  # what llama.cpp assumes of files that do not say
SHARED_CASES: list[tuple[Any, ...]] = [
    ("gemma3n", "gemma3n", "Gemma3nForCausalLM", "Gemma3nTextConfig", {**GEMMA3N, **STATED}, GELU),
    ("gemma3n-shared", "gemma3n", "Gemma3nForCausalLM", "Gemma3nTextConfig", SHARING, GELU),
    ("gemma4", "gemma4", "Gemma4ForCausalLM", "Gemma4TextConfig", {**GEMMA4, **WIDE, **CAPPED}, GELU),
    ("gemma4-large", "gemma4", "Gemma4ForCausalLM", "Gemma4TextConfig", {**LARGE, **CAPPED}, GELU),
    ("gemma4-experts", "gemma4", "Gemma4ForCausalLM", "Gemma4TextConfig", {**LARGE, **EXPERTS, **CAPPED}, GELU),
]


def joined(state: State) -> State:
    """The projections of streams in one tensor."""
    result = {name: tensor for name, tensor in state.items() if not name.startswith(STREAMS)}
    for stem in STREAMS:
        each = [state[name] for name in sorted(state) if name.startswith(stem)]
        if each:
            result[f"{stem}.weight"] = torch.stack(each)
    return result


def with_unused(state: State, config: Any) -> State:
    """Keys and values of layers that read those of others, as checkpoints of Gemma 3n have them."""
    if config.model_type != "gemma3n_text":
        return state
    result = dict(state)
    for layer in range(config.num_hidden_layers - config.num_kv_shared_layers, config.num_hidden_layers):
        for part in ("k_proj", "v_proj", "k_norm"):
            same = state[f"model.layers.0.self_attn.{part}.weight"]
            result[f"model.layers.{layer}.self_attn.{part}.weight"] = torch.randn_like(same)
    return result


def add_shared(writer: gguf.GGUFWriter, config: Any) -> None:
    """What only these two say."""
    if config.model_type not in ("gemma3n_text", "gemma4_text"):
        return
    sliding = [kind == BOTH[0] for kind in config.layer_types]
    writer.add_sliding_window_pattern(sliding)
    writer.add_shared_kv_layers(config.num_kv_shared_layers)
    writer.add_embedding_length_per_layer_input(config.hidden_size_per_layer_input)
    writer.add_rope_freq_base_swa(config.rope_parameters[BOTH[0]]["rope_theta"])
    if config.model_type == "gemma3n_text":
        shares = config.activation_sparsity_pattern
        writer.add_activation_sparsity_scale([NormalDist().inv_cdf(each) if each else -np.inf for each in shares])
        writer.add_altup_num_inputs(config.altup_num_inputs)
        writer.add_altup_active_idx(config.altup_active_idx)
    else:
        _add_heads(writer, config, sliding)


def _add_heads(writer: gguf.GGUFWriter, config: Any, sliding: list[bool]) -> None:
    """The sizes of both kinds of layers, which the common ones do not know."""
    everywhere = config.per_layer_config[BOTH[1]]
    size = everywhere.head_dim
    for name, value in (("", size), ("_swa", config.head_dim)):
        getattr(writer, f"add_key_length{name}")(value)
        getattr(writer, f"add_value_length{name}")(value)
        getattr(writer, f"add_rope_dimension_count{name}")(value)
    kv_heads = config.num_key_value_heads, everywhere.num_key_value_heads
    writer.add_head_count_kv([kv_heads[0] if each else kv_heads[1] for each in sliding])
    if config.use_double_wide_mlp:
        own, inner = config.num_hidden_layers - config.num_kv_shared_layers, config.intermediate_size
        writer.add_feed_forward_length([inner * (1 + (layer >= own)) for layer in range(config.num_hidden_layers)])
    if config.enable_moe_block:
        writer.add_expert_used_count(config.top_k_experts)
    turned = int(size * config.rope_parameters[BOTH[1]]["partial_rotary_factor"] / 2)
    divisors = [1.0] * turned + [1e30] * (size // 2 - turned)
    writer.add_tensor("rope_freqs.weight", np.array(divisors, np.float32))
