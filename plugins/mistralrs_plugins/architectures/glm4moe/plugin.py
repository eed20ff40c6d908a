"""GLM-4 MoE: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GLM-4 MoE."""
    yield ArchitectureSpec(
        name="glm4moe",
        summary="GLM-4.5, 4.6, 4.7 and their Air",
        hf_names=("Glm4MoeForCausalLM",),
        gguf_names=("glm4moe",),
        config=Ref("mistralrs_plugins.architectures.glm4moe.config:Glm4MoeConfig"),
        build=Ref("mistralrs_plugins.architectures.glm4moe.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.glm4moe.config:GGUF"),
        tiny={
            **TINY,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "head_dim": 16,
        },
    )
