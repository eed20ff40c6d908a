"""MiniMax Text-01: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """MiniMax Text-01."""
    yield ArchitectureSpec(
        name="minimax",
        summary="MiniMax Text-01 and M1",
        hf_names=("MiniMaxForCausalLM",),
        gguf_names=("minimax-01",),
        config=Ref("mistralrs_plugins.architectures.minimax.config:MiniMaxConfig"),
        build=Ref("mistralrs_plugins.architectures.minimax.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.minimax.gguf:GGUF"),
        tiny={**TINY, "num_experts": 4, "num_experts_per_tok": 2},
    )
