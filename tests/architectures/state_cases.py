"""The architectures that carry states, in the form of :mod:`cases`."""

from __future__ import annotations

from cases import Case

LFM2 = {
    "layer_types": ["conv", "full_attention", "conv"],
    "block_multiple_of": 16,
}
MAMBA2 = {"num_heads": 8, "head_dim": 8, "state_size": 12, "n_groups": 2, "chunk_size": 8, "conv_kernel": 4}
DELTA = {
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "head_dim": 16,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 12,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}

STATE_CASES = [
    Case("Lfm2ForCausalLM", "Lfm2Config", LFM2),
    Case("Lfm2ForCausalLM", "Lfm2Config", {**LFM2, "conv_bias": True, "block_auto_adjust_ff_dim": False}, "biases"),
    Case("Mamba2ForCausalLM", "Mamba2Config", MAMBA2),
    Case(
        "Mamba2ForCausalLM",
        "Mamba2Config",
        {**MAMBA2, "n_groups": 1, "use_bias": True, "use_conv_bias": False, "tie_word_embeddings": True},
        "biases",
    ),
    Case("Qwen3_5ForCausalLM", "Qwen3_5TextConfig", DELTA),
]
