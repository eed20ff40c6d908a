"""Apertus: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Apertus."""
    yield ArchitectureSpec(
        name="apertus",
        summary="Apertus 8B and 70B",
        hf_names=("ApertusForCausalLM",),
        gguf_names=("apertus",),
        config=Ref("mistralrs_plugins.architectures.apertus.config:ApertusConfig"),
        build=Ref("mistralrs_plugins.architectures.apertus.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.apertus.config:GGUF"),
        tiny=TINY,
    )
