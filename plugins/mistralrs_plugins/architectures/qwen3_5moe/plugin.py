"""Qwen 3.5 MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

SIZES = {
    **TINY,
    "head_dim": 16,
    "full_attention_interval": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 24,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 3.5, text, with experts."""
    yield ArchitectureSpec(
        name="qwen3-5moe",
        summary="Qwen 3.5 with experts (text)",
        hf_names=("Qwen3_5MoeForCausalLM",),
        gguf_names=("qwen35moe",),
        config=Ref("mistralrs_plugins.architectures.qwen3_5moe.config:Qwen35MoeConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen3_5moe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.qwen3_5moe.gguf:GGUF"),
        tiny=SIZES,
    )
