"""Hunyuan dense: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Hunyuan dense."""
    yield ArchitectureSpec(
        name="hunyuanv1dense",
        summary="Hunyuan V1, dense",
        hf_names=("HunYuanDenseV1ForCausalLM",),
        gguf_names=("hunyuan-dense",),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.hunyuanv1dense.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.hunyuanv1dense.gguf:GGUF"),
        tiny={**TINY, "head_dim": 16},
    )
