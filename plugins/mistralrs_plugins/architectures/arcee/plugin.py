"""Arcee: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Arcee."""
    yield ArchitectureSpec(
        name="arcee",
        summary="AFM 4.5B",
        hf_names=("ArceeForCausalLM",),
        gguf_names=("arcee",),
        config=Ref("mistralrs_plugins.architectures.arcee.config:ArceeConfig"),
        build=Ref("mistralrs_plugins.architectures.arcee.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.arcee.config:GGUF"),
        tiny=TINY,
    )
