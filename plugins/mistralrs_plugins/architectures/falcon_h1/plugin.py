"""Falcon H1: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"

SIZES = {
    **TINY,
    "mamba_n_heads": 8,
    "mamba_d_ssm": 64,
    "mamba_d_state": 8,
}


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Falcon H1."""
    yield ArchitectureSpec(
        name="falcon-h1",
        summary="Falcon H1",
        hf_names=("FalconH1ForCausalLM",),
        gguf_names=("falcon-h1",),
        config=Ref("mistralrs_plugins.architectures.falcon_h1.config:FalconH1Config"),
        build=Ref("mistralrs_plugins.architectures.falcon_h1.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.falcon_h1.gguf:GGUF"),
        tiny=SIZES,
    )
