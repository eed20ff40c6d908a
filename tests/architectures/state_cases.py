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
NARROW = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
EXPERTS = {**NARROW, "shared_expert_intermediate_size": 40}
GRANITE = {
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "shared_intermediate_size": 40,
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 12,
    "mamba_n_groups": 2,
    "mamba_chunk_size": 8,
    "embedding_multiplier": 1.5,
    "logits_scaling": 2.0,
    "residual_multiplier": 0.7,
    "attention_multiplier": 0.3,
}
FALCON = {
    "mamba_n_heads": 8,
    "mamba_d_ssm": 64,
    "mamba_d_state": 12,
    "mamba_chunk_size": 8,
    "embedding_multiplier": 1.5,
    "lm_head_multiplier": 0.5,
    "mlp_multipliers": [0.8, 1.3],
    "key_multiplier": 0.7,
    "attention_out_multiplier": 0.9,
    "attention_in_multiplier": 1.2,
    "ssm_multipliers": [0.7, 0.8, 0.9, 1.1, 1.2],
    "ssm_in_multiplier": 1.25,
    "ssm_out_multiplier": 0.75,
}
JAMBA = {
    "attn_layer_period": 3,
    "attn_layer_offset": 1,
    "expert_layer_period": 2,
    "expert_layer_offset": 1,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "mamba_d_state": 8,
    "mamba_dt_rank": 6,
}
MAMBA = {"state_size": 8, "time_step_rank": 6, "intermediate_size": 96}
MINIMAX = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "head_dim": 16,
    "block_size": 8,
    "full_attn_alpha_factor": 1.3,
    "full_attn_beta_factor": 0.8,
    "linear_attn_alpha_factor": 1.2,
    "linear_attn_beta_factor": 0.7,
    "mlp_alpha_factor": 1.1,
    "mlp_beta_factor": 0.9,
}
BAMBA = {
    "attn_layer_indices": [1],
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 12,
    "mamba_n_groups": 2,
    "mamba_chunk_size": 8,
}
NEMOTRON = {
    "layers_block_type": ["linear_attention", "full_attention", "mlp", "linear_attention"],
    "num_hidden_layers": 4,
    "head_dim": 16,
    "mamba_num_heads": 8,
    "mamba_head_dim": 8,
    "ssm_state_size": 12,
    "n_groups": 2,
    "chunk_size": 8,
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
    Case("Qwen3_5MoeForCausalLM", "Qwen3_5MoeTextConfig", {**DELTA, **EXPERTS}),
    Case("Qwen3NextForCausalLM", "Qwen3NextConfig", {**DELTA, **EXPERTS, "mlp_only_layers": [1]}),
    Case("Lfm2MoeForCausalLM", "Lfm2MoeConfig", {**LFM2, **NARROW, "num_dense_layers": 1}),
    Case("GraniteMoeHybridForCausalLM", "GraniteMoeHybridConfig", GRANITE),
    Case(
        "GraniteMoeHybridForCausalLM",
        "GraniteMoeHybridConfig",
        {**GRANITE, "num_local_experts": 0, "position_embedding_type": "rope"},
        "dense",
    ),
    Case("FalconH1ForCausalLM", "FalconH1Config", FALCON),
    Case(
        "FalconH1ForCausalLM",
        "FalconH1Config",
        {**FALCON, "mamba_rms_norm": True, "mamba_norm_before_gate": False, "mamba_n_groups": 2},
        "normed",
    ),
    Case("JambaForCausalLM", "JambaConfig", JAMBA),
    Case("MambaForCausalLM", "MambaConfig", MAMBA),
    Case("MambaForCausalLM", "MambaConfig", {**MAMBA, "use_bias": True, "tie_word_embeddings": False}, "biases"),
    Case("FalconMambaForCausalLM", "FalconMambaConfig", MAMBA),
    Case("MiniMaxForCausalLM", "MiniMaxConfig", MINIMAX),
    Case("BambaForCausalLM", "BambaConfig", BAMBA),
    Case("NemotronHForCausalLM", "NemotronHConfig", NEMOTRON),
    Case("JambaForCausalLM", "JambaConfig", {**JAMBA, "num_experts": 1, "num_experts_per_tok": 1}, "dense"),
]
