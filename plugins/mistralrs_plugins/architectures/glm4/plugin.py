"""GLM-4: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GLM-4."""
    yield ArchitectureSpec(
        name="glm4",
        summary="GLM-4-0414 and GLM-Z1",
        hf_names=("Glm4ForCausalLM",),
        gguf_names=("glm4",),
        config=Ref("mistralrs_plugins.architectures.glm4.config:Glm4Config"),
        build=Ref("mistralrs_plugins.architectures.glm4.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.glm4.config:GGUF"),
        tiny={**TINY, "head_dim": 16},
    )
