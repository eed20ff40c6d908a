"""Jais 2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Jais 2."""
    yield ArchitectureSpec(
        name="jais2",
        summary="Jais 2",
        hf_names=("Jais2ForCausalLM",),
        gguf_names=("jais2",),
        config=Ref("mistralrs_plugins.architectures.jais2.config:Jais2Config"),
        build=Ref("mistralrs_plugins.architectures.jais2.model:build"),
        gguf=Ref("mistralrs.modelkit.gguf:PLAIN"),
        tiny={**TINY, "head_dim": 16},
    )
