"""Gemma 3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Gemma 3 without its vision tower, and the encoder made from it."""
    yield ArchitectureSpec(
        name="gemma3",
        summary="Gemma 3 (text)",
        hf_names=("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"),
        gguf_names=("gemma3",),
        config=Ref("mistralrs_plugins.architectures.gemma3.config:Gemma3Config"),
        build=Ref("mistralrs_plugins.architectures.gemma3.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gemma3.config:GGUF"),
        chat_template="gemma",
        tiny={**TINY, "head_dim": 16},
    )
    yield ArchitectureSpec(
        name="embeddinggemma",
        summary="EmbeddingGemma",
        hf_names=("Gemma3TextModel",),
        gguf_names=("gemma-embedding",),
        config=Ref("mistralrs_plugins.architectures.gemma3.config:EmbeddingGemmaConfig"),
        build=Ref("mistralrs_plugins.architectures.gemma3.model:embed"),
        gguf=Ref("mistralrs_plugins.architectures.gemma3.config:GGUF"),
        tasks=("embed",),
        tiny={**TINY, "head_dim": 16, "use_bidirectional_attention": True},
    )
