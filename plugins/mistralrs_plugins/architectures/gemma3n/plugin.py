"""Gemma 3n: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Gemma 3n without its towers."""
    yield ArchitectureSpec(
        name="gemma3n",
        summary="Gemma 3n (text)",
        hf_names=("Gemma3nForCausalLM", "Gemma3nForConditionalGeneration"),
        gguf_names=("gemma3n",),
        config=Ref("mistralrs_plugins.architectures.gemma3n.config:Gemma3nConfig"),
        build=Ref("mistralrs_plugins.architectures.gemma3n.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gemma3n.gguf:GGUF"),
        chat_template="gemma3n",
        tiny={
            **TINY,
            "num_hidden_layers": 4,
            "head_dim": 8,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
            "sliding_window": 6,
            "num_kv_shared_layers": 2,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": 64,
            "laurel_rank": 4,
            "activation_sparsity_pattern": [0.5, 0.0, 0.0, 0.0],
        },
    )
