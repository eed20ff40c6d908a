"""Architectures with recurrent layers, in the form of :mod:`gguf_expert_cases`."""

from __future__ import annotations

from typing import Any

from state_cases import DELTA, EXPERTS, FALCON, GRANITE, JAMBA, LFM2, MAMBA, MAMBA2, MINIMAX, NARROW, NEMOTRON

CLOSE = 1e-4
TWICE = {**MAMBA, "intermediate_size": 64}  # llama.cpp takes no other inner width
DENSE = {"num_experts": 1, "num_experts_per_tok": 1}
# llama.cpp has one factor for the input of every block, and none for what blocks give.
ONE_FACTOR = {**MINIMAX, **{name: 1.2 if "alpha" in name else 1.0 for name in MINIMAX if name.endswith("_factor")}}
EVERY_SECOND = {
    **DELTA,
    "num_hidden_layers": 4,
    "layer_types": ["linear_attention", "full_attention"] * 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
STATE_CASES: list[tuple[str, str, str, str, dict[str, Any], float | str]] = [
    ("lfm2", "lfm2", "Lfm2ForCausalLM", "Lfm2Config", LFM2, CLOSE),
    ("lfm2moe", "lfm2moe", "Lfm2MoeForCausalLM", "Lfm2MoeConfig", {**LFM2, **NARROW, "num_dense_layers": 1}, CLOSE),
    ("mamba2", "mamba2", "Mamba2ForCausalLM", "Mamba2Config", MAMBA2, CLOSE),
    ("mamba", "mamba", "MambaForCausalLM", "MambaConfig", TWICE, CLOSE),
    ("falcon-mamba", "mamba", "FalconMambaForCausalLM", "FalconMambaConfig", TWICE, CLOSE),
    ("granitehybrid", "granitehybrid", "GraniteMoeHybridForCausalLM", "GraniteMoeHybridConfig", GRANITE, CLOSE),
    (
        "granitehybrid-dense",
        "granitehybrid",
        "GraniteMoeHybridForCausalLM",
        "GraniteMoeHybridConfig",
        {**GRANITE, "num_local_experts": 0},
        CLOSE,
    ),
    ("qwen3next", "qwen3next", "Qwen3NextForCausalLM", "Qwen3NextConfig", {**EVERY_SECOND, **EXPERTS}, CLOSE),
    ("qwen35", "qwen35", "Qwen3_5ForCausalLM", "Qwen3_5TextConfig", EVERY_SECOND, CLOSE),
    ("qwen35moe", "qwen35moe", "Qwen3_5MoeForCausalLM", "Qwen3_5MoeTextConfig", {**EVERY_SECOND, **EXPERTS}, CLOSE),
    ("falcon-h1", "falcon-h1", "FalconH1ForCausalLM", "FalconH1Config", FALCON, CLOSE),
    (
        "nemotron_h",
        "nemotron_h",
        "NemotronHForCausalLM",
        "NemotronHConfig",
        {**NEMOTRON, "initializer_range": 0.1},
        CLOSE,
    ),
    ("minimax-01", "minimax-01", "MiniMaxForCausalLM", "MiniMaxConfig", ONE_FACTOR, CLOSE),
    ("jamba", "jamba", "JambaForCausalLM", "JambaConfig", JAMBA, CLOSE),
    ("jamba-dense", "jamba", "JambaForCausalLM", "JambaConfig", {**JAMBA, **DENSE}, CLOSE),
]
