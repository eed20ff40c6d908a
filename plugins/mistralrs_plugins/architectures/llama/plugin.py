"""Llama: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Llama 1 to 3 and what was built like them."""
    yield ArchitectureSpec(
        name="llama",
        summary="Meta Llama 1-3, SmolLM and compatible models",
        hf_names=("LlamaForCausalLM",),
        gguf_names=("llama",),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.llama.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.llama.gguf:GGUF"),
        tiny={
            "vocab_size": 64,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
    )
