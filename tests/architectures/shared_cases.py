"""Decoders whose last layers read the keys of earlier ones, in the form of :mod:`cases`."""

from __future__ import annotations

from typing import Any

from cases import Case

BOTH = ["sliding_attention", "full_attention"]
SHARED: dict[str, Any] = {
    "num_hidden_layers": 4,
    "head_dim": 16,
    "sliding_window": 5,
    "layer_types": BOTH * 2,
    "num_kv_shared_layers": 2,
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": 96,
}
GEMMA3N: dict[str, Any] = {**SHARED, "laurel_rank": 4, "activation_sparsity_pattern": [0.5, 0.0, 0.9, 0.0]}
WIDTHS = {"intermediate_size": [48, 48, 64, 96], "altup_num_inputs": 3, "altup_active_idx": 1}
SMALLER_TABLE = {"vocab_size_per_layer_input": 80, "num_kv_shared_layers": 0}
GEMMA4: dict[str, Any] = {**SHARED, "head_dim": 8, "global_head_dim": 16}
LARGE: dict[str, Any] = {
    **GEMMA4,
    "num_kv_shared_layers": 0,
    "hidden_size_per_layer_input": 0,
    "attention_k_eq_v": True,
    "num_global_key_value_heads": 1,
    "use_bidirectional_attention": "vision",
}
EXPERTS = {"enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 24}

SHARED_CASES = [
    Case("Gemma3nForCausalLM", "Gemma3nTextConfig", GEMMA3N),
    Case("Gemma3nForCausalLM", "Gemma3nTextConfig", {**GEMMA3N, **WIDTHS}, "widths"),
    Case("Gemma3nForCausalLM", "Gemma3nTextConfig", {**GEMMA3N, **SMALLER_TABLE}, "own-keys"),
    Case("Gemma4ForCausalLM", "Gemma4TextConfig", {**GEMMA4, "use_double_wide_mlp": True}),
    Case("Gemma4ForCausalLM", "Gemma4TextConfig", {**LARGE, "final_logit_softcapping": 4.0}, "large"),
    Case("Gemma4ForCausalLM", "Gemma4TextConfig", {**LARGE, **EXPERTS}, "experts"),
]
