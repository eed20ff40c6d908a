"""Granite with sliding windows: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Granite with windows and sinks."""
    yield ArchitectureSpec(
        name="granite-swa",
        summary="Granite with sliding windows and attention sinks",
        hf_names=("GraniteSWAForCausalLM",),
        gguf_names=("granite_swa",),
        config=Ref("mistralrs_plugins.architectures.granite_swa.config:GraniteSwaConfig"),
        build=Ref("mistralrs_plugins.architectures.granite_swa.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.granite_swa.config:GGUF"),
        tiny={**TINY, "sliding_window": 5},
    )
