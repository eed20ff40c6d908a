"""Command R: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Command R."""
    yield ArchitectureSpec(
        name="cohere",
        summary="Command R and R+, Aya 23",
        hf_names=("CohereForCausalLM",),
        gguf_names=("command-r",),
        config=Ref("mistralrs_plugins.architectures.cohere.config:CohereConfig"),
        build=Ref("mistralrs_plugins.architectures.cohere.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.cohere.config:GGUF"),
        tiny=TINY,
    )
