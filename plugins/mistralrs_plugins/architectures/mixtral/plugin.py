"""Mixtral: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Mixtral."""
    yield ArchitectureSpec(
        name="mixtral",
        summary="Mixtral 8x7B and 8x22B",
        hf_names=("MixtralForCausalLM",),
        gguf_names=("llama",),
        config=Ref("mistralrs_plugins.architectures.mixtral.config:MixtralConfig"),
        build=Ref("mistralrs_plugins.architectures.mixtral.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.mixtral.config:GGUF"),
        matches=Ref("mistralrs_plugins.architectures.mixtral.config:matches"),
        tiny={**TINY, "num_experts": 4, "num_experts_per_tok": 2},
    )
