"""GPT-OSS: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """GPT-OSS."""
    yield ArchitectureSpec(
        name="gpt-oss",
        summary="GPT-OSS 20B and 120B",
        hf_names=("GptOssForCausalLM",),
        gguf_names=("gpt-oss",),
        config=Ref("mistralrs_plugins.architectures.gpt_oss.config:GptOssConfig"),
        build=Ref("mistralrs_plugins.architectures.gpt_oss.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.gpt_oss.config:GGUF"),
        tiny={**TINY, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16},
    )
