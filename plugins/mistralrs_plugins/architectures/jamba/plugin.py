"""Jamba: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

SIZES = {
    **TINY,
    "attn_layer_period": 2,
    "attn_layer_offset": 1,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "mamba_d_state": 8,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Jamba."""
    yield ArchitectureSpec(
        name="jamba",
        summary="AI21 Jamba, with or without experts",
        hf_names=("JambaForCausalLM",),
        gguf_names=("jamba",),
        config=Ref("mistralrs_plugins.architectures.jamba.config:JambaConfig"),
        build=Ref("mistralrs_plugins.architectures.jamba.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.jamba.gguf:GGUF"),
        tiny=SIZES,
    )
