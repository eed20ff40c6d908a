"""Gemma 3n and 4 as llama.cpp's converters write them, and the cases to write."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import gguf
import numpy as np
import torch
from shared_cases import BOTH, EXPERTS, GEMMA3N, GEMMA4, LARGE

State = dict[str, torch.Tensor]
# Attention scores are not scaled here, which magnifies whatever differs; 0.09 of a log-probability was seen.
SHARP = 0.1
STREAMS = ("model.altup_projections", "model.altup_unembed_projections")
# llama.cpp has the rank, the size and the sparsity as constants, and shares keys after 20 layers.
STATED: dict[str, Any] = {
    "num_hidden_layers": 5,
    "layer_types": None,
    "num_kv_shared_layers": 0,
    "hidden_size_per_layer_input": 256,
    "laurel_rank": 64,
    "activation_sparsity_pattern": [0.95] * 5,
}
FARTHER = "it is up to 0.4 of a log-probability away, for reasons not found; transformers is not"
UNUSED_KEYS = "it wants keys, to leave them unused, in layers that read the keys of others"
SHARED_CASES: list[tuple[Any, ...]] = [
    ("gemma3n", "gemma3n", "Gemma3nForCausalLM", "Gemma3nTextConfig", {**GEMMA3N, **STATED}, FARTHER),
    ("gemma3n-shared", "gemma3n", "Gemma3nForCausalLM", "Gemma3nTextConfig", GEMMA3N, UNUSED_KEYS),
    ("gemma4", "gemma4", "Gemma4ForCausalLM", "Gemma4TextConfig", {**GEMMA4, "use_double_wide_mlp": True}, SHARP),
    ("gemma4-large", "gemma4", "Gemma4ForCausalLM", "Gemma4TextConfig", LARGE, SHARP),
    ("gemma4-experts", "gemma4", "Gemma4ForCausalLM", "Gemma4TextConfig", {**LARGE, **EXPERTS}, SHARP),
]


def joined(state: State) -> State:
    """The projections of streams in one tensor."""
    result = {name: tensor for name, tensor in state.items() if not name.startswith(STREAMS)}
    for stem in STREAMS:
        each = [state[name] for name in sorted(state) if name.startswith(stem)]
        if each:
            result[f"{stem}.weight"] = torch.stack(each)
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
