"""Granite MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Granite 3 with experts."""
    yield ArchitectureSpec(
        name="granitemoe",
        summary="Granite 3.0 and 3.1 MoE, also with a shared block",
        hf_names=("GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM"),
        gguf_names=("granitemoe",),
        config=Ref("mistralrs_plugins.architectures.granitemoe.config:GraniteMoeConfig"),
        build=Ref("mistralrs_plugins.architectures.granitemoe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.granitemoe.config:GGUF"),
        tiny={**TINY, "num_local_experts": 4, "num_experts_per_tok": 2},
    )
