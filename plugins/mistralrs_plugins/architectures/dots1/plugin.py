"""dots.llm1: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """dots.llm1."""
    yield ArchitectureSpec(
        name="dots1",
        summary="dots.llm1",
        hf_names=("Dots1ForCausalLM",),
        gguf_names=("dots1",),
        config=Ref("mistralrs_plugins.architectures.dots1.config:Dots1Config"),
        build=Ref("mistralrs_plugins.architectures.dots1.model:build"),
        gguf=Ref("mistralrs.modelkit.experts_gguf:MOE"),
        tiny={
            **TINY,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
        },
    )
