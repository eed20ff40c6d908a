"""Gemma 4: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Gemma 4 without its towers, dense and with experts."""
    yield ArchitectureSpec(
        name="gemma4",
        summary="Gemma 4 (text)",
        hf_names=("Gemma4ForCausalLM", "Gemma4ForConditionalGeneration"),
        gguf_names=("gemma4",),
        config=Ref("mistralrs_plugins.architectures.gemma4.config:Gemma4Config"),
        build=Ref("mistralrs_plugins.architectures.gemma4.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gemma4.gguf:GGUF"),
        tiny={
            **TINY,
            "num_hidden_layers": 4,
            "head_dim": 8,
            "global_head_dim": 16,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
            "sliding_window": 6,
            "num_kv_shared_layers": 2,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": 64,
            "use_double_wide_mlp": True,
        },
    )
