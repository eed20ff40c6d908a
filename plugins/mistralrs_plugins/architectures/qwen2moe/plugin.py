"""Qwen2 MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 1.5 and 2 with experts."""
    yield ArchitectureSpec(
        name="qwen2moe",
        summary="Qwen 1.5 MoE and Qwen 2 57B-A14B",
        hf_names=("Qwen2MoeForCausalLM",),
        gguf_names=("qwen2moe",),
        config=Ref("mistralrs.modelkit.experts_config:MoeConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen2moe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.qwen2moe.gguf:GGUF"),
        tiny={
            **TINY,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "shared_expert_intermediate_size": 40,
        },
    )
