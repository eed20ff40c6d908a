"""Llama 4: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Llama 4 without its vision tower."""
    yield ArchitectureSpec(
        name="llama4",
        summary="Llama 4 Scout and Maverick (text)",
        hf_names=("Llama4ForCausalLM", "Llama4ForConditionalGeneration"),
        gguf_names=("llama4",),
        config=Ref("mistralrs_plugins.architectures.llama4.config:Llama4Config"),
        build=Ref("mistralrs_plugins.architectures.llama4.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.llama4.config:GGUF"),
        tiny={**TINY, "num_local_experts": 4, "num_experts_per_tok": 1, "head_dim": 16, "intermediate_size_mlp": 64},
    )
