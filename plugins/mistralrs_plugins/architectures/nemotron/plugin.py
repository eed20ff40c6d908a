"""Nemotron: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Nemotron."""
    yield ArchitectureSpec(
        name="nemotron",
        summary="Nemotron 3 and 4, Minitron",
        hf_names=("NemotronForCausalLM",),
        gguf_names=("nemotron",),
        config=Ref("mistralrs_plugins.architectures.nemotron.config:NemotronConfig"),
        build=Ref("mistralrs_plugins.architectures.nemotron.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.nemotron.config:GGUF"),
        tiny={**TINY, "head_dim": 16},
    )
