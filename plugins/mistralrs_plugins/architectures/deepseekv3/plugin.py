"""DeepSeek V3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """DeepSeek V3 and what was built like it."""
    yield ArchitectureSpec(
        name="deepseekv3",
        summary="DeepSeek V3, R1, and Kimi K2",
        hf_names=("DeepseekV3ForCausalLM", "KimiK2ForCausalLM"),
        gguf_names=("deepseek2",),
        config=Ref("mistralrs_plugins.architectures.deepseekv3.config:DeepseekV3Config"),
        build=Ref("mistralrs_plugins.architectures.deepseekv3.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.deepseekv3.config:GGUF"),
        matches=Ref("mistralrs_plugins.architectures.deepseekv3.config:matches"),
        tiny={
            **TINY,
            **{"num_key_value_heads": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "q_lora_rank": 24,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 16,
            "qk_rope_head_dim": 8,
            "v_head_dim": 12,
            "n_group": 2,
            "topk_group": 1,
        },
    )
