"""LFM2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """LFM2 without experts."""
    yield ArchitectureSpec(
        name="lfm2",
        summary="Liquid LFM2 and LFM2.5",
        hf_names=("Lfm2ForCausalLM",),
        gguf_names=("lfm2",),
        config=Ref("mistralrs_plugins.architectures.lfm2.config:Lfm2Config"),
        build=Ref("mistralrs_plugins.architectures.lfm2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.lfm2.gguf:GGUF"),
        tiny={**TINY, "block_multiple_of": 16, "layer_types": ["conv", "full_attention"]},
    )
