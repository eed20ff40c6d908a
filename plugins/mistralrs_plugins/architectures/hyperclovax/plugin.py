"""HyperCLOVA X: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """HyperCLOVA X."""
    yield ArchitectureSpec(
        name="hyperclovax",
        summary="HyperCLOVA X SEED, text",
        hf_names=("HyperCLOVAXForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.hyperclovax.config:HyperClovaConfig"),
        build=Ref("mistralrs_plugins.architectures.hyperclovax.model:build"),
        tiny=TINY,
    )
