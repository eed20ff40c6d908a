"""Gemma: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """The first Gemma."""
    yield ArchitectureSpec(
        name="gemma",
        summary="Gemma 1 and CodeGemma",
        hf_names=("GemmaForCausalLM",),
        gguf_names=("gemma",),
        config=Ref("mistralrs.modelkit.config:OffsetNormConfig"),
        build=Ref("mistralrs_plugins.architectures.gemma.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gemma.gguf:GGUF"),
        chat_template="gemma",
        tiny={**TINY, "head_dim": 16},
    )
