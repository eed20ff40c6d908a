"""The decoders without experts and states, beyond the first few, in the form of :mod:`cases`."""

from __future__ import annotations

from typing import Any

from cases import LLAMA3, QWEN_WINDOW, Case

HEADS = {"head_dim": 16}
SLIDING = {"head_dim": 16, "sliding_window": 5}
THREE = ["sliding_attention", "full_attention", "sliding_attention"]
GLM = {**HEADS, "attention_bias": True}
SCALES = {"embedding_multiplier": 3.0, "residual_multiplier": 0.4, "attention_multiplier": 0.2, "logits_scaling": 2.5}
YARN = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 32}
TEMPERED = {**YARN, "original_max_position_embeddings": 4, "llama_4_scaling_beta": 0.5}
PLAIN_ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
VAULT: dict[str, Any] = {**SLIDING, "query_pre_attn_scalar": 24, "attn_logit_softcapping": 1.5}
MANY_KEYS = {"num_key_value_heads": 4}
GPT2 = {**MANY_KEYS, "n_inner": 48}

DENSE_CASES = [
    Case("PhiForCausalLM", "PhiConfig"),
    Case("PhiForCausalLM", "PhiConfig", {"qk_layernorm": True}, "normed"),
    Case("Starcoder2ForCausalLM", "Starcoder2Config", {"sliding_window": 5}),
    Case("Starcoder2ForCausalLM", "Starcoder2Config", {"use_bias": False}, "no-bias"),
    Case("GlmForCausalLM", "GlmConfig", GLM),
    Case("Glm4ForCausalLM", "Glm4Config", GLM),
    Case("SmolLM3ForCausalLM", "SmolLM3Config", {"no_rope_layer_interval": 2}),
    Case("SmolLM3ForCausalLM", "SmolLM3Config", {"no_rope_layers": [0, 1, 1], **QWEN_WINDOW}, "listed"),
    Case("HunYuanDenseV1ForCausalLM", "HunYuanDenseV1Config", HEADS),
    Case(
        "HunYuanDenseV1ForCausalLM",
        "HunYuanDenseV1Config",
        {**HEADS, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "alpha": 50.0, "factor": 1.0}},
        "alpha",
    ),
    Case("OlmoForCausalLM", "OlmoConfig"),
    Case("OlmoForCausalLM", "OlmoConfig", {"clip_qkv": 0.5}, "clipped"),
    Case("Olmo2ForCausalLM", "Olmo2Config"),
    Case(
        "Olmo3ForCausalLM",
        "Olmo3Config",
        {
            "sliding_window": 5,
            "layer_types": THREE,
            "rope_parameters": {"sliding_attention": PLAIN_ROPE, "full_attention": YARN},
        },
    ),
    Case("CohereForCausalLM", "CohereConfig"),
    Case("CohereForCausalLM", "CohereConfig", {"use_qk_norm": True, "logit_scale": 0.5}, "normed"),
    Case("Cohere2ForCausalLM", "Cohere2Config", {**SLIDING, "layer_types": THREE}),
    Case("StableLmForCausalLM", "StableLmConfig", {"use_qkv_bias": True}),
    Case("StableLmForCausalLM", "StableLmConfig", {"qk_layernorm": True, "use_parallel_residual": True}, "large"),
    Case("FalconForCausalLM", "FalconConfig", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    Case("FalconForCausalLM", "FalconConfig", {"tie_word_embeddings": False, "multi_query": True}, "one-key-head"),
    Case(
        "FalconForCausalLM",
        "FalconConfig",
        {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1, "bias": True},
        "one-norm",
    ),
    Case("GPTNeoXForCausalLM", "GPTNeoXConfig", MANY_KEYS),
    Case("GPTNeoXForCausalLM", "GPTNeoXConfig", {**MANY_KEYS, "use_parallel_residual": False}, "sequential"),
    Case("GPT2LMHeadModel", "GPT2Config", GPT2),
    Case("GPTBigCodeForCausalLM", "GPTBigCodeConfig", GPT2),
    Case("GPTBigCodeForCausalLM", "GPTBigCodeConfig", {**GPT2, "multi_query": False}, "many-key-heads"),
    Case("GPTJForCausalLM", "GPTJConfig", {**GPT2, "rotary_dim": 4}),
    Case("OPTForCausalLM", "OPTConfig", {**MANY_KEYS, "ffn_dim": 48, "word_embed_proj_dim": 32}),
    Case("GraniteForCausalLM", "GraniteConfig", SCALES),
    Case("GraniteSWAForCausalLM", "GraniteSWAConfig", {**SCALES, "sliding_window": 5}),
    Case(
        "GraniteSWAForCausalLM",
        "GraniteSWAConfig",
        {**SCALES, "sliding_window": 5, "layer_types": THREE, "layer_rope_theta": [1e4, 0, 500.0]},
        "listed",
    ),
    Case("HyperCLOVAXForCausalLM", "HyperCLOVAXConfig", SCALES),
    Case("HyperCLOVAXForCausalLM", "HyperCLOVAXConfig", {**SCALES, "use_post_norm": False}, "plain"),
    Case("Exaone4ForCausalLM", "Exaone4Config", {"sliding_window": 5, "sliding_window_pattern": 2}),
    Case(
        "Exaone4ForCausalLM",
        "Exaone4Config",
        {
            "sliding_window": None,
            "layer_types": ["full_attention"] * 3,
            "rope_parameters": {**LLAMA3, "rope_theta": 1e4},
        },
        "full",
    ),
    Case("NemotronForCausalLM", "NemotronConfig", HEADS),
    Case("Ernie4_5ForCausalLM", "Ernie4_5Config", {**HEADS, "use_bias": True}),
    Case("HeliumForCausalLM", "HeliumConfig", {"head_dim": 8}),
    Case("SeedOssForCausalLM", "SeedOssConfig", HEADS),
    Case("SeedOssForCausalLM", "SeedOssConfig", {**HEADS, "attention_out_bias": True, "mlp_bias": True}, "biases"),
    Case("ApertusForCausalLM", "ApertusConfig"),
    Case("BitNetForCausalLM", "BitNetConfig"),
    Case("ArceeForCausalLM", "ArceeConfig"),
    Case("Jais2ForCausalLM", "Jais2Config", HEADS),
    Case("NanoChatForCausalLM", "NanoChatConfig", {"final_logit_softcapping": 2.0}),
    Case("CwmForCausalLM", "CwmConfig", {**SLIDING, "rope_parameters": {**LLAMA3, "rope_theta": 1e4}}),
    Case("VaultGemmaForCausalLM", "VaultGemmaConfig", {**VAULT, "layer_types": THREE}),
    Case("MinistralForCausalLM", "MinistralConfig", {**SLIDING, "layer_types": THREE}),
    Case("Ministral3ForCausalLM", "Ministral3Config", {**HEADS, "rope_parameters": TEMPERED}),
]
