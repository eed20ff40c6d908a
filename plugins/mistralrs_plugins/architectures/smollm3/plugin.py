"""SmolLM3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """SmolLM3."""
    yield ArchitectureSpec(
        name="smollm3",
        summary="SmolLM3",
        hf_names=("SmolLM3ForCausalLM",),
        gguf_names=("smollm3",),
        config=Ref("mistralrs_plugins.architectures.smollm3.config:SmolLM3Config"),
        build=Ref("mistralrs_plugins.architectures.smollm3.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.smollm3.config:GGUF"),
        tiny=TINY,
    )
