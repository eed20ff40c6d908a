"""EXAONE 4: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """EXAONE 4."""
    yield ArchitectureSpec(
        name="exaone4",
        summary="EXAONE 4.0",
        hf_names=("Exaone4ForCausalLM",),
        gguf_names=("exaone4",),
        config=Ref("mistralrs_plugins.architectures.exaone4.config:Exaone4Config"),
        build=Ref("mistralrs_plugins.architectures.exaone4.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.exaone4.config:GGUF"),
        tiny={**TINY, "sliding_window": 8},
    )
