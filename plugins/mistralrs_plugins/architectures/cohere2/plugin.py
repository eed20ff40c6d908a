"""Command R7B and A: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Command R7B and A."""
    yield ArchitectureSpec(
        name="cohere2",
        summary="Command R7B, Command A, Aya Expanse 2",
        hf_names=("Cohere2ForCausalLM",),
        gguf_names=("cohere2",),
        config=Ref("mistralrs_plugins.architectures.cohere2.config:Cohere2Config"),
        build=Ref("mistralrs_plugins.architectures.cohere2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.cohere2.config:GGUF"),
        tiny={**TINY, "head_dim": 16, "sliding_window": 8},
    )
