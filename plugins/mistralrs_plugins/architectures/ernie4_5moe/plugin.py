"""ERNIE 4.5 MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """ERNIE 4.5 with experts."""
    yield ArchitectureSpec(
        name="ernie4-5moe",
        summary="ERNIE 4.5 21B-A3B and 300B-A47B",
        hf_names=("Ernie4_5_MoeForCausalLM", "Ernie4_5_MoEForCausalLM"),
        gguf_names=("ernie4_5-moe",),
        config=Ref("mistralrs_plugins.architectures.ernie4_5moe.config:ErnieMoeConfig"),
        build=Ref("mistralrs_plugins.architectures.ernie4_5moe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.ernie4_5moe.config:GGUF"),
        tiny={**TINY, "moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 24},
    )
