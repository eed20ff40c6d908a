"""VaultGemma: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """VaultGemma."""
    yield ArchitectureSpec(
        name="vaultgemma",
        summary="VaultGemma",
        hf_names=("VaultGemmaForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.vaultgemma.config:VaultGemmaConfig"),
        build=Ref("mistralrs_plugins.architectures.vaultgemma.model:build"),
        tiny={**TINY, "head_dim": 16},
    )
