"""Qwen 3.5 MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY, TINY_DELTA, TINY_EXPERTS
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 3.5, text, with experts."""
    yield ArchitectureSpec(
        name="qwen3-5moe",
        summary="Qwen 3.5 with experts (text)",
        hf_names=("Qwen3_5MoeForCausalLM", "Qwen3_5MoeForConditionalGeneration"),
        gguf_names=("qwen35moe",),
        config=Ref("mistralrs.modelkit.state_config:DeltaMoeConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen3_5moe.model:build"),
        gguf=Ref("mistralrs.modelkit.state_gguf:DELTA_MOE"),
        tiny={**TINY, **TINY_DELTA, **TINY_EXPERTS},
    )
