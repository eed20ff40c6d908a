"""Decoders without experts as GGUF: name, ``general.architecture``, classes in transformers, settings, tolerance."""

from __future__ import annotations

from typing import Any

from cases import MUSE
from dense_cases import GPT2, HEADS, PLAIN_ROPE, SCALES, THREE, YARN

GELU = 1e-3  # see test_gguf.py
MANY_KEYS = {"num_key_value_heads": 4}
FOUR = {"num_hidden_layers": 4}
WINDOWS = {**FOUR, "head_dim": 8, "sliding_window": 5}  # it takes no other size of heads for these
OLMO3_ROPE = {"full_attention": YARN, "sliding_attention": PLAIN_ROPE}
OLMO3 = {**FOUR, "sliding_window": 5, "rope_parameters": OLMO3_ROPE}
NO_WINDOWS = {"sliding_window": None, "layer_types": ["full_attention"] * 3}
SWA = {**SCALES, "sliding_window": 5, "layer_types": THREE, "layer_rope_theta": [1e4, 0, 1e4]}
GENTLE = {**MUSE, "text_config": {**MUSE["text_config"], "initializer_range": 0.1}}
# llama.cpp looks for some things only in models of 64 layers.
DEEP = {"num_hidden_layers": 64}
PLUS = {**DEEP, "use_qk_norm": True, "logit_scale": 1.0}
LARGE_STABLE = {"qk_layernorm": True, "use_parallel_residual": True, **MANY_KEYS}

DENSE_CASES: list[tuple[Any, ...]] = [
    ("phi2", "phi2", "PhiForCausalLM", "PhiConfig", MANY_KEYS, GELU),
    ("starcoder2", "starcoder2", "Starcoder2ForCausalLM", "Starcoder2Config", {}, GELU),
    ("glm", "chatglm", "GlmForCausalLM", "GlmConfig", {"head_dim": 8}),
    ("glm4", "glm4", "Glm4ForCausalLM", "Glm4Config", HEADS),
    ("smollm3", "smollm3", "SmolLM3ForCausalLM", "SmolLM3Config", FOUR),
    ("hunyuan-dense", "hunyuan-dense", "HunYuanDenseV1ForCausalLM", "HunYuanDenseV1Config", HEADS),
    ("olmo", "olmo", "OlmoForCausalLM", "OlmoConfig", {"clip_qkv": 0.5}),
    ("olmo2", "olmo2", "Olmo2ForCausalLM", "Olmo2Config"),
    ("olmo3", "olmo2", "Olmo3ForCausalLM", "Olmo3Config", OLMO3),
    ("command-r", "command-r", "CohereForCausalLM", "CohereConfig"),
    ("command-r-plus", "command-r", "CohereForCausalLM", "CohereConfig", PLUS),
    ("cohere2", "cohere2", "Cohere2ForCausalLM", "Cohere2Config", WINDOWS),
    ("stablelm", "stablelm", "StableLmForCausalLM", "StableLmConfig", {"use_qkv_bias": True}),
    ("stablelm-12b", "stablelm", "StableLmForCausalLM", "StableLmConfig", LARGE_STABLE),
    ("falcon", "falcon", "FalconForCausalLM", "FalconConfig", {"tie_word_embeddings": False}, GELU),
    (
        "falcon-40b",
        "falcon",
        "FalconForCausalLM",
        "FalconConfig",
        {"new_decoder_architecture": True, "num_kv_heads": 2},
        GELU,
    ),
    ("gptneox", "gptneox", "GPTNeoXForCausalLM", "GPTNeoXConfig", MANY_KEYS, GELU),
    ("gpt2", "gpt2", "GPT2LMHeadModel", "GPT2Config", GPT2, GELU),
    ("starcoder", "starcoder", "GPTBigCodeForCausalLM", "GPTBigCodeConfig", GPT2, GELU),
    ("granite", "granite", "GraniteForCausalLM", "GraniteConfig", SCALES),
    ("granite-swa", "granite_swa", "GraniteSWAForCausalLM", "GraniteSWAConfig", SWA),
    ("bitnet", "bitnet", "BitNetForCausalLM", "BitNetConfig", {"tie_word_embeddings": True, "hidden_act": "silu"}),
    ("muse-glimmer", "muse-glimmer", "MuseGlimmerForConditionalGeneration", "MuseGlimmerConfig", GENTLE),
    ("exaone4", "exaone4", "Exaone4ForCausalLM", "Exaone4Config", NO_WINDOWS),
    ("exaone4-windows", "exaone4", "Exaone4ForCausalLM", "Exaone4Config", {**WINDOWS, **DEEP}),
    ("nemotron", "nemotron", "NemotronForCausalLM", "NemotronConfig", {"head_dim": 8}),
    ("ernie4_5", "ernie4_5", "Ernie4_5ForCausalLM", "Ernie4_5Config", HEADS),
    ("seed_oss", "seed_oss", "SeedOssForCausalLM", "SeedOssConfig", HEADS),
    ("apertus", "apertus", "ApertusForCausalLM", "ApertusConfig"),
    ("arcee", "arcee", "ArceeForCausalLM", "ArceeConfig"),
    ("jais2", "jais2", "Jais2ForCausalLM", "Jais2Config", HEADS),
    ("mistral3", "mistral3", "Ministral3ForCausalLM", "Ministral3Config", {**HEADS, "rope_parameters": YARN}),
]
