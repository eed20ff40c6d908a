"""MiniMax M2: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """MiniMax M2."""
    yield ArchitectureSpec(
        name="minimaxm2",
        summary="MiniMax M2",
        hf_names=("MiniMaxM2ForCausalLM",),
        gguf_names=("minimax-m2",),
        config=Ref("mistralrs_plugins.architectures.minimaxm2.config:MiniMaxM2Config"),
        build=Ref("mistralrs_plugins.architectures.minimaxm2.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.minimaxm2.config:GGUF"),
        tiny={**TINY, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16},
    )
