"""Ministral: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Ministral."""
    yield ArchitectureSpec(
        name="ministral",
        summary="Ministral 8B, with windows on some layers",
        hf_names=("MinistralForCausalLM",),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.ministral.model:build"),
        tiny={**TINY, "head_dim": 8, "sliding_window": 8},
    )
