"""Phi 2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Phi 2."""
    yield ArchitectureSpec(
        name="phi2",
        summary="Phi 1, 1.5 and 2",
        hf_names=("PhiForCausalLM",),
        gguf_names=("phi2",),
        config=Ref("mistralrs_plugins.architectures.phi2.config:PhiConfig"),
        build=Ref("mistralrs_plugins.architectures.phi2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.phi2.config:GGUF"),
        tiny=TINY,
    )
