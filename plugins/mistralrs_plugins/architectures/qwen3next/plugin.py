"""Qwen 3 Next: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY, TINY_DELTA, TINY_EXPERTS
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 3 Next."""
    yield ArchitectureSpec(
        name="qwen3next",
        summary="Qwen 3 Next and Coder Next",
        hf_names=("Qwen3NextForCausalLM",),
        gguf_names=("qwen3next",),
        config=Ref("mistralrs.modelkit.state_config:DeltaMoeConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen3next.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.qwen3next.gguf:GGUF"),
        tiny={**TINY, **TINY_DELTA, **TINY_EXPERTS},
    )
