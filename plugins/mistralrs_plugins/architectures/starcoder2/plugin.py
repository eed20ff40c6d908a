"""StarCoder 2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """StarCoder 2."""
    yield ArchitectureSpec(
        name="starcoder2",
        summary="StarCoder 2",
        hf_names=("Starcoder2ForCausalLM",),
        gguf_names=("starcoder2",),
        config=Ref("mistralrs_plugins.architectures.starcoder2.config:Starcoder2Config"),
        build=Ref("mistralrs_plugins.architectures.starcoder2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.starcoder2.config:GGUF"),
        tiny=TINY,
    )
