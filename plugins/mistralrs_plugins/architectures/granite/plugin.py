"""Granite: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Granite."""
    yield ArchitectureSpec(
        name="granite",
        summary="Granite 3 and 3.1, dense",
        hf_names=("GraniteForCausalLM",),
        gguf_names=("granite",),
        config=Ref("mistralrs_plugins.architectures.granite.config:GraniteConfig"),
        build=Ref("mistralrs_plugins.architectures.granite.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.granite.config:GGUF"),
        tiny=TINY,
    )
