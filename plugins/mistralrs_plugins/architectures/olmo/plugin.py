"""OLMo: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """OLMo."""
    yield ArchitectureSpec(
        name="olmo",
        summary="OLMo, first generation",
        hf_names=("OlmoForCausalLM",),
        gguf_names=("olmo",),
        config=Ref("mistralrs_plugins.architectures.olmo.config:OlmoConfig"),
        build=Ref("mistralrs_plugins.architectures.olmo.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.olmo.config:GGUF"),
        tiny=TINY,
    )
