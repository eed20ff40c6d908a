"""InternLM 3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """InternLM 3."""
    yield ArchitectureSpec(
        name="internlm3",
        summary="InternLM 3",
        hf_names=("InternLM3ForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.internlm3.config:InternLm3Config"),
        build=Ref("mistralrs_plugins.architectures.internlm3.model:build"),
        tiny=TINY,
    )
