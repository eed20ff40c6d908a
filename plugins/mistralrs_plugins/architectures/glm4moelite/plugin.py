"""GLM-4 MoE Lite: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GLM-4 MoE Lite."""
    yield ArchitectureSpec(
        name="glm4moelite",
        summary="GLM-4.7-Flash",
        hf_names=("Glm4MoeLiteForCausalLM",),
        gguf_names=("deepseek2",),
        config=Ref("mistralrs_plugins.architectures.glm4moelite.config:Glm4MoeLiteConfig"),
        build=Ref("mistralrs_plugins.architectures.glm4moelite.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.glm4moelite.config:GGUF"),
        matches=Ref("mistralrs_plugins.architectures.glm4moelite.config:matches"),
        tiny={
            **TINY,
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "n_shared_experts": 1,
            "q_lora_rank": 24,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 16,
            "qk_rope_head_dim": 8,
            "v_head_dim": 12,
        },
    )
