"""Mamba-2: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

TINY = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_heads": 4,
    "head_dim": 16,
    "state_size": 8,
    "n_groups": 2,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Mamba-2 and Codestral Mamba."""
    yield ArchitectureSpec(
        name="mamba2",
        summary="Mamba-2 (no attention)",
        hf_names=("Mamba2ForCausalLM",),
        gguf_names=("mamba2",),
        config=Ref("mistralrs_plugins.architectures.mamba2.config:Mamba2Config"),
        build=Ref("mistralrs_plugins.architectures.mamba2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.mamba2.gguf:GGUF"),
        tiny=TINY,
    )
