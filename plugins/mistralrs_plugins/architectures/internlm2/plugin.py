"""InternLM 2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """InternLM 2."""
    yield ArchitectureSpec(
        name="internlm2",
        summary="InternLM 2 and 2.5",
        hf_names=("InternLM2ForCausalLM",),
        gguf_names=("internlm2",),
        config=Ref("mistralrs_plugins.architectures.internlm2.config:InternLm2Config"),
        build=Ref("mistralrs_plugins.architectures.internlm2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.internlm2.config:GGUF"),
        tiny=TINY,
    )
