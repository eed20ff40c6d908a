"""Qwen3 MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 3 with experts."""
    yield ArchitectureSpec(
        name="qwen3moe",
        summary="Qwen 3 30B-A3B, 235B-A22B and Coder",
        hf_names=("Qwen3MoeForCausalLM",),
        gguf_names=("qwen3moe", "qwen3vlmoe"),
        config=Ref("mistralrs.modelkit.experts_config:MoeConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen3moe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.qwen3moe.gguf:GGUF"),
        tiny={**TINY, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "head_dim": 16},
    )
