"""Tiny: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Tiny."""
    yield ArchitectureSpec(
        name="tiny",
        summary="Tiny: a decoder whose attention and feed-forward blocks stand side by side",
        hf_names=("TinyForCausalLM",),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_tiny.model:build"),
        tiny={
            "vocab_size": 64,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
    )
