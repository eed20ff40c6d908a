"""Hunyuan MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Hunyuan with experts."""
    yield ArchitectureSpec(
        name="hunyuanv1moe",
        summary="Hunyuan A13B",
        hf_names=("HunYuanMoEV1ForCausalLM",),
        gguf_names=("hunyuan-moe",),
        config=Ref("mistralrs_plugins.architectures.hunyuanv1moe.config:HunyuanMoeConfig"),
        build=Ref("mistralrs_plugins.architectures.hunyuanv1moe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.hunyuanv1moe.config:GGUF"),
        tiny={**TINY, "num_experts": 4, "moe_topk": 2, "head_dim": 16},
    )
