"""Qwen 3.5: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY, TINY_DELTA
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 3.5, text, without experts."""
    yield ArchitectureSpec(
        name="qwen3-5",
        summary="Qwen 3.5 (text)",
        hf_names=("Qwen3_5ForCausalLM", "Qwen3_5ForConditionalGeneration"),
        gguf_names=("qwen35",),
        config=Ref("mistralrs.modelkit.state_config:DeltaConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen3_5.model:build"),
        gguf=Ref("mistralrs.modelkit.state_gguf:DELTA"),
        tiny={**TINY, **TINY_DELTA},
    )
