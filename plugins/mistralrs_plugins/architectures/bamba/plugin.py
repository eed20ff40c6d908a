"""Bamba: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

SIZES = {
    **TINY,
    "attn_layer_indices": [1],
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Bamba."""
    yield ArchitectureSpec(
        name="bamba",
        summary="IBM and CMU Bamba",
        hf_names=("BambaForCausalLM",),
        config=Ref("mistralrs_plugins.architectures.bamba.config:BambaConfig"),
        build=Ref("mistralrs_plugins.architectures.bamba.model:build"),
        tiny=SIZES,
    )
