"""ERNIE 4.5: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """ERNIE 4.5."""
    yield ArchitectureSpec(
        name="ernie4-5",
        summary="ERNIE 4.5, dense",
        hf_names=("Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM"),
        gguf_names=("ernie4_5",),
        config=Ref("mistralrs_plugins.architectures.ernie4_5.config:Ernie45Config"),
        build=Ref("mistralrs_plugins.architectures.ernie4_5.model:build"),
        gguf=Ref("mistralrs.modelkit.gguf:PLAIN"),
        tiny=TINY,
    )
