"""One line per architecture: the transformers class to compare with, and the settings worth a case of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers.core_model_loading import revert_weight_conversion

SIZES: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


COMPUTED = ("slope_rate", "query_decay", "key_decay", "diagonal_decay")
"""Tables of MiniMax that follow from its config."""


def state_of(model: transformers.PreTrainedModel) -> dict[str, torch.Tensor]:
    """Its tensors under the names and in the shapes of checkpoints on the Hub."""
    state: dict[str, torch.Tensor] = revert_weight_conversion(model, dict(model.state_dict()))
    return {name: tensor for name, tensor in state.items() if not name.endswith(COMPUTED)}


def text_of(model: transformers.PreTrainedModel) -> dict[str, torch.Tensor]:
    """The same of its text side, as the loader cuts it out."""
    state, body = state_of(model), "model.language_model."
    if not hasattr(model.config, "text_config"):
        return state
    return {name.replace(body, "model."): state[name] for name in state if name.startswith((body, "lm_head."))}


@dataclass(frozen=True)
class Case:
    """A configuration to build on both sides. ``key`` and ``config`` are class names in transformers."""

    key: str
    config: str
    extra: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def id(self) -> str:
        return f"{self.key}-{self.name}" if self.name else self.key


def _rope(**table: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_theta": 10_000.0, **table}}


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
QWEN_WINDOW = {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}
GEMMA3 = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 5}
# Caps low enough to bite on tiny weights.
GEMMA2 = {**GEMMA3, "attn_logit_softcapping": 1.5, "final_logit_softcapping": 4.0}
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
}

# Experts, and narrower ones.
EXPERTS = {"num_hidden_layers": 2, "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}
NARROW = {**EXPERTS, "moe_intermediate_size": 24}

LATENT = {
    "num_hidden_layers": 2,
    "num_key_value_heads": 4,
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
}
ROUTED = {
    "num_hidden_layers": 2,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "n_shared_experts": 1,
    "n_group": 2,
    "topk_group": 1,
    "routed_scaling_factor": 1.5,
    "first_k_dense_replace": 1,
    "norm_topk_prob": True,
}
GROUPED_GREEDY = {"topk_method": "group_limited_greedy", "q_lora_rank": None}
DEEPSEEK_YARN = _rope(
    rope_type="yarn",
    factor=4.0,
    original_max_position_embeddings=32,
    mscale=1.0,
    mscale_all_dim=0.7,
)
ERNIE = {
    **NARROW,
    "num_hidden_layers": 3,
    "moe_num_experts": 4,
    "moe_k": 2,
    "moe_layer_end_index": 1,
    "use_bias": False,
    "moe_num_shared_experts": 1,
}
GRANITE = {
    "embedding_multiplier": 3.0,
    "residual_multiplier": 0.7,
    "attention_multiplier": 0.3,
    "logits_scaling": 2.0,
}
MUSE = {
    "text_config": {
        **SIZES,
        "num_hidden_layers": 5,
        "head_dim": 16,
        "sliding_window": 5,
        "output_multiplier": 0.7,
        "final_logit_softcapping": 3.0,
    },
    "vision_config": {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16},
    "out_hidden_size": 64,
    "projector_hidden_size": 16,
}
LLAMA4 = {
    "num_hidden_layers": 4,
    "num_local_experts": 4,
    "head_dim": 16,
    "intermediate_size_mlp": 64,
    "interleave_moe_layer_step": 2,
    "attention_chunk_size": 8,
    "floor_scale": 4,
}

CASES = [
    Case("LlamaForCausalLM", "LlamaConfig"),
    Case("LlamaForCausalLM", "LlamaConfig", {"tie_word_embeddings": True}, "tied"),
    Case("LlamaForCausalLM", "LlamaConfig", {"attention_bias": True, "mlp_bias": True}, "biases"),
    Case("LlamaForCausalLM", "LlamaConfig", {"head_dim": 12}, "own-head-size"),
    Case("LlamaForCausalLM", "LlamaConfig", _rope(rope_type="linear", factor=4.0), "rope-linear"),
    Case("LlamaForCausalLM", "LlamaConfig", _rope(**LLAMA3), "rope-llama3"),
    Case(
        "LlamaForCausalLM",
        "LlamaConfig",
        _rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=32),
        "rope-yarn",
    ),
    Case("MistralForCausalLM", "MistralConfig", {"sliding_window": None}),
    Case("MistralForCausalLM", "MistralConfig", {"sliding_window": 6, "head_dim": 16}, "window"),
    Case("Qwen2ForCausalLM", "Qwen2Config"),
    Case("Qwen2ForCausalLM", "Qwen2Config", QWEN_WINDOW, "window"),
    Case("Qwen3ForCausalLM", "Qwen3Config", {"head_dim": 16}),
    Case("Qwen3ForCausalLM", "Qwen3Config", {"head_dim": 16, **QWEN_WINDOW}, "window"),
    Case("Phi3ForCausalLM", "Phi3Config"),
    Case("Phi3ForCausalLM", "Phi3Config", {"sliding_window": 5}, "window"),
    Case("Phi3ForCausalLM", "Phi3Config", _rope(partial_rotary_factor=0.5), "partial"),
    Case("GemmaForCausalLM", "GemmaConfig", {"head_dim": 16}),
    Case("GemmaForCausalLM", "GemmaConfig", {"head_dim": 16, "hidden_act": "gelu"}, "early"),
    Case("Gemma2ForCausalLM", "Gemma2Config", GEMMA2),
    Case(
        "Gemma2ForCausalLM",
        "Gemma2Config",
        {**GEMMA2, "query_pre_attn_scalar": 24, "attn_logit_softcapping": None, "final_logit_softcapping": None},
        "uncapped",
    ),
    Case("Gemma3ForCausalLM", "Gemma3TextConfig", {**GEMMA3, "sliding_window_pattern": 2}),
    Case("MixtralForCausalLM", "MixtralConfig", {**EXPERTS, "sliding_window": 6}),
    Case("Qwen2MoeForCausalLM", "Qwen2MoeConfig", {**NARROW, "shared_expert_intermediate_size": 40}),
    Case("Qwen3MoeForCausalLM", "Qwen3MoeConfig", {**NARROW, "head_dim": 16, "norm_topk_prob": True}),
    Case("OlmoeForCausalLM", "OlmoeConfig", EXPERTS),
    Case("PhimoeForCausalLM", "PhimoeConfig", {**EXPERTS, "attention_bias": True, "lm_head_bias": True}),
    Case("DeepseekV2ForCausalLM", "DeepseekV2Config", {**ROUTED, **LATENT}),
    Case("DeepseekV2ForCausalLM", "DeepseekV2Config", {**ROUTED, **LATENT, **GROUPED_GREEDY}, "grouped"),
    Case("DeepseekV3ForCausalLM", "DeepseekV3Config", {**ROUTED, **LATENT}),
    Case("DeepseekV3ForCausalLM", "DeepseekV3Config", {**ROUTED, **LATENT, **DEEPSEEK_YARN}, "yarn"),
    Case("Glm4MoeLiteForCausalLM", "Glm4MoeLiteConfig", {**ROUTED, **LATENT}),
    Case("Glm4MoeForCausalLM", "Glm4MoeConfig", {**ROUTED, "head_dim": 16, "attention_bias": True}),
    Case("Glm4MoeForCausalLM", "Glm4MoeConfig", {**ROUTED, "head_dim": 16, "use_qk_norm": True}, "normed"),
    Case("Dots1ForCausalLM", "Dots1Config", {**ROUTED, "head_dim": 8}),
    Case("MiniMaxM2ForCausalLM", "MiniMaxM2Config", {**EXPERTS, "head_dim": 16, "rotary_dim": 8}),
    Case("HunYuanMoEV1ForCausalLM", "HunYuanMoEV1Config", {**EXPERTS, "moe_topk": 2, "head_dim": 16}),
    Case("Ernie4_5_MoeForCausalLM", "Ernie4_5_MoeConfig", ERNIE),
    Case("GraniteMoeForCausalLM", "GraniteMoeConfig", {**EXPERTS, **GRANITE}),
    Case(
        "GraniteMoeSharedForCausalLM", "GraniteMoeSharedConfig", {**EXPERTS, **GRANITE, "shared_intermediate_size": 40}
    ),
    Case("GptOssForCausalLM", "GptOssConfig", {**EXPERTS, "head_dim": 16, "sliding_window": 5}),
    Case("Llama4ForCausalLM", "Llama4TextConfig", LLAMA4),
    Case("MuseGlimmerForConditionalGeneration", "MuseGlimmerConfig", MUSE),
    Case("MiniCPM3ForCausalLM", "MiniCPM3Config", {**LATENT, "tie_word_embeddings": False, "dim_model_base": 16}),
    Case(
        "Gemma3ForCausalLM",
        "Gemma3TextConfig",
        {**GEMMA3, "sliding_window_pattern": 3, "rope_parameters": GEMMA3_ROPE},
        "rope-linear",
    ),
]
