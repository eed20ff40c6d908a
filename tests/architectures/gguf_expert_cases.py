"""Architectures with experts or latent attention: id, name in GGUF, class and config in transformers, settings.

The last entry is how far llama.cpp's arithmetic may lie, or why it is not asked.
"""

from __future__ import annotations

import math
from typing import Any

from cases import DEEPSEEK_YARN, ERNIE, EXPERTS, GRANITE, GROUPED_GREEDY, LATENT, LLAMA4, NARROW, ROUTED

CLOSE = 1e-4
WIDER = {"head_dim": 16}
UNGROUPED = {"num_key_value_heads": 4}
# llama.cpp rounds the borders between rotations that are stretched and others, GPT-OSS does not: here they are round.
TRAINED = 128
ROUND_YARN = {
    "rope_type": "yarn",
    "rope_theta": (TRAINED / (2 * math.pi)) ** 4 * (1 + 1e-9),
    "factor": 32.0,
    "original_max_position_embeddings": TRAINED,
    "truncate": False,
}
GREEDY = {"n_group": 1, "topk_group": 1}

EXPERT_CASES: list[tuple[str, str, str, str, dict[str, Any], float | str]] = [
    ("mixtral", "llama", "MixtralForCausalLM", "MixtralConfig", {**EXPERTS, "sliding_window": None}, CLOSE),
    (
        "qwen2moe",
        "qwen2moe",
        "Qwen2MoeForCausalLM",
        "Qwen2MoeConfig",
        {**NARROW, "shared_expert_intermediate_size": 40},
        CLOSE,
    ),
    (
        "qwen3moe",
        "qwen3moe",
        "Qwen3MoeForCausalLM",
        "Qwen3MoeConfig",
        {**NARROW, "head_dim": 16, "norm_topk_prob": True},
        CLOSE,
    ),
    (
        "qwen3vlmoe",
        "qwen3vlmoe",
        "Qwen3MoeForCausalLM",
        "Qwen3MoeConfig",
        {**NARROW, **WIDER, "norm_topk_prob": True},
        CLOSE,
    ),
    ("olmoe", "olmoe", "OlmoeForCausalLM", "OlmoeConfig", {**EXPERTS, **UNGROUPED}, CLOSE),
    (
        "phimoe",
        "phimoe",
        "PhimoeForCausalLM",
        "PhimoeConfig",
        {**EXPERTS, "attention_bias": True, "lm_head_bias": True},
        "its router is a plain softmax, the model's is SparseMixer",
    ),
    ("deepseekv2", "deepseek2", "DeepseekV2ForCausalLM", "DeepseekV2Config", {**ROUTED, **LATENT, **GREEDY}, CLOSE),
    (
        "deepseekv2-grouped",
        "deepseek2",
        "DeepseekV2ForCausalLM",
        "DeepseekV2Config",
        {**ROUTED, **LATENT, **GROUPED_GREEDY},
        "it judges a group by its two best experts, the model by one",
    ),
    ("deepseekv3", "deepseek2", "DeepseekV3ForCausalLM", "DeepseekV3Config", {**ROUTED, **LATENT}, CLOSE),
    (
        "deepseekv3-yarn",
        "deepseek2",
        "DeepseekV3ForCausalLM",
        "DeepseekV3Config",
        {**ROUTED, **LATENT, "rope_parameters": {**DEEPSEEK_YARN["rope_parameters"], "mscale": 0.7}},
        CLOSE,
    ),
    ("glm4moelite", "deepseek2", "Glm4MoeLiteForCausalLM", "Glm4MoeLiteConfig", {**ROUTED, **LATENT}, CLOSE),
    (
        "glm4moe",
        "glm4moe",
        "Glm4MoeForCausalLM",
        "Glm4MoeConfig",
        {**ROUTED, **GREEDY, "head_dim": 16, "attention_bias": True},
        CLOSE,
    ),
    ("dots1", "dots1", "Dots1ForCausalLM", "Dots1Config", {**ROUTED, **GREEDY, **UNGROUPED, "head_dim": 8}, CLOSE),
    (
        "minimaxm2",
        "minimax-m2",
        "MiniMaxM2ForCausalLM",
        "MiniMaxM2Config",
        {**EXPERTS, "head_dim": 16, "rotary_dim": 8},
        CLOSE,
    ),
    (
        "hunyuanv1moe",
        "hunyuan-moe",
        "HunYuanMoEV1ForCausalLM",
        "HunYuanMoEV1Config",
        {**EXPERTS, "moe_topk": 2, "head_dim": 16},
        CLOSE,
    ),
    (
        "ernie4_5moe",
        "ernie4_5-moe",
        "Ernie4_5_MoeForCausalLM",
        "Ernie4_5_MoeConfig",
        {**ERNIE, "moe_layer_end_index": -1},
        CLOSE,
    ),
    ("granitemoe", "granitemoe", "GraniteMoeForCausalLM", "GraniteMoeConfig", {**EXPERTS, **GRANITE}, CLOSE),
    (
        "granitemoeshared",
        "granitemoe",
        "GraniteMoeSharedForCausalLM",
        "GraniteMoeSharedConfig",
        {**EXPERTS, **GRANITE, "shared_intermediate_size": 40},
        CLOSE,
    ),
    (
        "gpt-oss",
        "gpt-oss",
        "GptOssForCausalLM",
        "GptOssConfig",
        {
            **EXPERTS,
            "head_dim": 16,
            "sliding_window": 5,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
        CLOSE,
    ),
    (
        "gpt-oss-yarn",
        "gpt-oss",
        "GptOssForCausalLM",
        "GptOssConfig",
        {**EXPERTS, "head_dim": 16, "sliding_window": 5, "rope_parameters": ROUND_YARN},
        CLOSE,
    ),
    (
        "llama4",
        "llama4",
        "Llama4ForCausalLM",
        "Llama4TextConfig",
        {**LLAMA4, "floor_scale": 8192, "attention_chunk_size": 8192},
        CLOSE,
    ),
    (
        "minicpm3",
        "minicpm3",
        "MiniCPM3ForCausalLM",
        "MiniCPM3Config",
        {**LATENT, "tie_word_embeddings": False, "dim_model_base": 256},
        CLOSE,
    ),
]
