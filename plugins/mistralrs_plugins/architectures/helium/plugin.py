"""Helium: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Helium."""
    yield ArchitectureSpec(
        name="helium",
        summary="Helium 1",
        hf_names=("HeliumForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.helium.config:HeliumConfig"),
        build=Ref("mistralrs_plugins.architectures.helium.model:build"),
        tiny={**TINY, "head_dim": 8},
    )
