"""Gemma 2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Gemma 2."""
    yield ArchitectureSpec(
        name="gemma2",
        summary="Gemma 2",
        hf_names=("Gemma2ForCausalLM",),
        gguf_names=("gemma2",),
        config=Ref("mistralrs_plugins.architectures.gemma2.config:Gemma2Config"),
        build=Ref("mistralrs_plugins.architectures.gemma2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gemma2.config:GGUF"),
        chat_template="gemma",
        tiny={**TINY, "head_dim": 16},
    )
