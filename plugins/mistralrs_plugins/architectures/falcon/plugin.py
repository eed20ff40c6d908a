"""Falcon: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Falcon."""
    yield ArchitectureSpec(
        name="falcon",
        summary="Falcon 7B, 40B, 180B and Falcon 2",
        hf_names=("FalconForCausalLM",),
        gguf_names=("falcon",),
        config=Ref("mistralrs_plugins.architectures.falcon.config:FalconConfig"),
        build=Ref("mistralrs_plugins.architectures.falcon.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.falcon.config:GGUF"),
        tiny=TINY,
    )
