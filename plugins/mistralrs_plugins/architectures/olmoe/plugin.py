"""OLMoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """OLMoE."""
    yield ArchitectureSpec(
        name="olmoe",
        summary="OLMoE 1B-7B",
        hf_names=("OlmoeForCausalLM",),
        gguf_names=("olmoe",),
        config=Ref("mistralrs_plugins.architectures.olmoe.config:OlmoeConfig"),
        build=Ref("mistralrs_plugins.architectures.olmoe.model:build"),
        gguf=Ref("mistralrs.modelkit.experts_gguf:MOE"),
        tiny={**TINY, "num_experts": 4, "num_experts_per_tok": 2},
    )
