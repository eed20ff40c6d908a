"""LFM2 MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

SIZES = {
    **TINY,
    "layer_types": ["conv", "full_attention"],
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "num_dense_layers": 1,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """LFM2 with experts."""
    yield ArchitectureSpec(
        name="lfm2-moe",
        summary="Liquid LFM2 with experts",
        hf_names=("Lfm2MoeForCausalLM",),
        gguf_names=("lfm2moe",),
        config=Ref("mistralrs_plugins.architectures.lfm2_moe.config:Lfm2MoeConfig"),
        build=Ref("mistralrs_plugins.architectures.lfm2_moe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.lfm2_moe.gguf:GGUF"),
        tiny=SIZES,
    )
