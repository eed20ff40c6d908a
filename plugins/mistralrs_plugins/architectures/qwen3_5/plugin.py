"""Qwen 3.5: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

SIZES = {
    **TINY,
    "head_dim": 16,
    "full_attention_interval": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 3.5, text, without experts."""
    yield ArchitectureSpec(
        name="qwen3-5",
        summary="Qwen 3.5 (text)",
        hf_names=("Qwen3_5ForCausalLM",),
        gguf_names=("qwen35",),
        config=Ref("mistralrs_plugins.architectures.qwen3_5.config:Qwen35Config"),
        build=Ref("mistralrs_plugins.architectures.qwen3_5.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.qwen3_5.gguf:GGUF"),
        tiny=SIZES,
    )
