"""Phi 3.5 MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Phi 3.5 MoE."""
    yield ArchitectureSpec(
        name="phimoe",
        summary="Phi 3.5 MoE and Phi mini MoE",
        hf_names=("PhimoeForCausalLM", "PhiMoEForCausalLM"),
        gguf_names=("phimoe",),
        aliases=("phi3.5moe",),
        config=Ref("mistralrs_plugins.architectures.phimoe.config:PhimoeConfig"),
        build=Ref("mistralrs_plugins.architectures.phimoe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.phimoe.config:GGUF"),
        tiny={**TINY, "num_local_experts": 4, "num_experts_per_tok": 2},
    )
