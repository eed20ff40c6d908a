"""Llama: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Llama 1 to 3 and what was built like them."""
    yield ArchitectureSpec(
        name="llama",
        summary="Meta Llama 1-3, SmolLM and compatible models",
        hf_names=("LlamaForCausalLM",),
        gguf_names=("llama",),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.llama.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.llama.gguf:GGUF"),
        matches=Ref("mistralrs_plugins.architectures.llama.gguf:matches"),
        tiny=TINY,
    )
