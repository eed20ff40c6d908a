"""Mistral: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Mistral 7B and its successors of the same build."""
    yield ArchitectureSpec(
        name="mistral",
        summary="Mistral 7B, Nemo and Small (text)",
        hf_names=("MistralForCausalLM", "Mistral3ForConditionalGeneration"),
        gguf_names=("llama",),
        aliases=("mistral3",),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.mistral.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.mistral.gguf:GGUF"),
        matches=Ref("mistralrs_plugins.architectures.mistral.gguf:matches"),
        chat_template="mistral",
        tiny=TINY,
    )
