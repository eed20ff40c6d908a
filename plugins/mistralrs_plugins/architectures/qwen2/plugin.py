"""Qwen2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 2 and 2.5."""
    yield ArchitectureSpec(
        name="qwen2",
        summary="Qwen 2 and 2.5",
        hf_names=("Qwen2ForCausalLM",),
        gguf_names=("qwen2", "qwen2vl"),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen2.model:build"),
        gguf=Ref("mistralrs.modelkit.gguf:PLAIN"),
        chat_template="chatml",
        tiny=TINY,
    )
