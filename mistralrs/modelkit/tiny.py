"""The sizes of a decoder that is small enough for tests. Copied into specs, so a plain dictionary."""

from __future__ import annotations

from collections.abc import Mapping

TINY: Mapping[str, int] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}

TINY_DELTA: Mapping[str, int] = {
    "head_dim": 16,
    "full_attention_interval": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}
"""The sizes of its gated delta nets."""

TINY_EXPERTS: Mapping[str, int] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 24,
}
"""The sizes of its experts."""
