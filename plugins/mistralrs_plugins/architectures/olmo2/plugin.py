"""OLMo 2 and 3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """OLMo 2 and 3."""
    yield ArchitectureSpec(
        name="olmo2",
        summary="OLMo 2 and OLMo 3",
        hf_names=("Olmo2ForCausalLM", "Olmo3ForCausalLM"),
        gguf_names=("olmo2",),
        config=Ref("mistralrs_plugins.architectures.olmo2.config:Olmo2Config"),
        build=Ref("mistralrs_plugins.architectures.olmo2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.olmo2.config:GGUF"),
        tiny=TINY,
    )
