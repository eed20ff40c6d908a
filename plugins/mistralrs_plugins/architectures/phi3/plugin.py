"""Phi 3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Phi 3, 3.5 and 4."""
    yield ArchitectureSpec(
        name="phi3",
        summary="Phi 3, 3.5 and 4 (text)",
        hf_names=("Phi3ForCausalLM",),
        gguf_names=("phi3",),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.phi3.model:build"),
        gguf=Ref("mistralrs.modelkit.gguf:PLAIN"),
        chat_template="phi3",
        tiny=TINY,
    )
