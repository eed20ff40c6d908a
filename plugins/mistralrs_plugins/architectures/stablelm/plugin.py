"""StableLM: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """StableLM."""
    yield ArchitectureSpec(
        name="stablelm",
        summary="StableLM 2 and StableLM 3B",
        hf_names=("StableLmForCausalLM",),
        gguf_names=("stablelm",),
        config=Ref("mistralrs_plugins.architectures.stablelm.config:StableLmConfig"),
        build=Ref("mistralrs_plugins.architectures.stablelm.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.stablelm.config:GGUF"),
        tiny=TINY,
    )
