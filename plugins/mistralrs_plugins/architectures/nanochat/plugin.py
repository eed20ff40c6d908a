"""NanoChat: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """NanoChat."""
    yield ArchitectureSpec(
        name="nanochat",
        summary="NanoChat",
        hf_names=("NanoChatForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.nanochat.config:NanoChatConfig"),
        build=Ref("mistralrs_plugins.architectures.nanochat.model:build"),
        tiny=TINY,
    )
