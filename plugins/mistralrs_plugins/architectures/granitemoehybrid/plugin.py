"""Granite 4: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

SIZES = {
    **TINY,
    "layer_types": ["linear_attention", "full_attention"],
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "shared_intermediate_size": 40,
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Granite 4."""
    yield ArchitectureSpec(
        name="granitemoehybrid",
        summary="Granite 4, with or without experts",
        hf_names=("GraniteMoeHybridForCausalLM",),
        gguf_names=("granitehybrid",),
        config=Ref("mistralrs_plugins.architectures.granitemoehybrid.config:GraniteHybridConfig"),
        build=Ref("mistralrs_plugins.architectures.granitemoehybrid.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.granitemoehybrid.gguf:GGUF"),
        tiny=SIZES,
    )
