"""DeepSeek V2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """DeepSeek V2."""
    yield ArchitectureSpec(
        name="deepseekv2",
        summary="DeepSeek V2, V2 Lite and Coder V2",
        hf_names=("DeepseekV2ForCausalLM",),
        gguf_names=("deepseek2",),
        config=Ref("mistralrs_plugins.architectures.deepseekv2.config:DeepseekV2Config"),
        build=Ref("mistralrs_plugins.architectures.deepseekv2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.deepseekv2.config:GGUF"),
        matches=Ref("mistralrs_plugins.architectures.deepseekv2.config:matches"),
        tiny={
            **TINY,
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "q_lora_rank": 24,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 16,
            "qk_rope_head_dim": 8,
            "v_head_dim": 12,
        },
    )
