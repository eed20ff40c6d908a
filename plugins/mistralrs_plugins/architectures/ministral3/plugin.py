"""Ministral 3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Ministral 3."""
    yield ArchitectureSpec(
        name="ministral3",
        summary="Ministral 3",
        hf_names=("Ministral3ForCausalLM", "Mistral3ForConditionalGeneration"),
        gguf_names=("mistral3",),
        aliases=("mistral3",),
        config=Ref("mistralrs_plugins.architectures.ministral3.config:Ministral3Config"),
        build=Ref("mistralrs_plugins.architectures.ministral3.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.ministral3.config:GGUF"),
        matches=Ref("mistralrs_plugins.architectures.ministral3.config:matches"),
        tiny={**TINY, "head_dim": 16},
    )
