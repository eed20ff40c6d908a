"""MiniCPM 3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """MiniCPM 3."""
    yield ArchitectureSpec(
        name="minicpm3",
        summary="MiniCPM 3",
        hf_names=("MiniCPM3ForCausalLM",),
        gguf_names=("minicpm3",),
        config=Ref("mistralrs_plugins.architectures.minicpm3.config:MiniCPM3Config"),
        build=Ref("mistralrs_plugins.architectures.minicpm3.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.minicpm3.config:GGUF"),
        tiny={
            **TINY,
            "num_key_value_heads": 4,
            "q_lora_rank": 24,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 16,
            "qk_rope_head_dim": 8,
            "v_head_dim": 12,
        },
    )
