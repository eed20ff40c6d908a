"""BitNet: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """BitNet."""
    yield ArchitectureSpec(
        name="bitnet",
        summary="BitNet b1.58, with weights as plain floats",
        hf_names=("BitNetForCausalLM",),
        gguf_names=("bitnet",),
        config=Ref("mistralrs_plugins.architectures.bitnet.config:BitNetConfig"),
        build=Ref("mistralrs_plugins.architectures.bitnet.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.bitnet.config:GGUF"),
        tiny=TINY,
    )
