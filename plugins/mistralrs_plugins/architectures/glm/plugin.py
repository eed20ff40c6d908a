"""GLM: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GLM."""
    yield ArchitectureSpec(
        name="glm",
        summary="GLM-4 9B and GLM-Edge in their first release",
        hf_names=("GlmForCausalLM",),
        gguf_names=("chatglm",),
        config=Ref("mistralrs_plugins.architectures.glm.config:GlmConfig"),
        build=Ref("mistralrs_plugins.architectures.glm.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.glm.config:GGUF"),
        tiny={**TINY, "head_dim": 16},
    )
