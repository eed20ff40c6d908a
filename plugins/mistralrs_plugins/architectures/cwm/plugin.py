"""CWM: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """CWM."""
    yield ArchitectureSpec(
        name="cwm",
        summary="Code World Model",
        hf_names=("CwmForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.cwm.config:CwmConfig"),
        build=Ref("mistralrs_plugins.architectures.cwm.model:build"),
        tiny={**TINY, "head_dim": 16, "sliding_window": 8},
    )
