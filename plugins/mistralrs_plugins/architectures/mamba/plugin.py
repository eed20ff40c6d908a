"""Mamba: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

TINY = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Mamba and Falcon Mamba."""
    yield ArchitectureSpec(
        name="mamba",
        summary="Mamba and Falcon Mamba (no attention)",
        hf_names=("MambaForCausalLM", "FalconMambaForCausalLM"),
        gguf_names=("mamba",),
        config=Ref("mistralrs_plugins.architectures.mamba.config:MambaConfig"),
        build=Ref("mistralrs_plugins.architectures.mamba.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.mamba.gguf:GGUF"),
        tiny=TINY,
    )
