"""Seed-OSS: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Seed-OSS."""
    yield ArchitectureSpec(
        name="seed-oss",
        summary="Seed-OSS 36B",
        hf_names=("SeedOssForCausalLM",),
        gguf_names=("seed_oss",),
        config=Ref("mistralrs_plugins.architectures.seed_oss.config:SeedOssConfig"),
        build=Ref("mistralrs_plugins.architectures.seed_oss.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.seed_oss.config:GGUF"),
        tiny={**TINY, "head_dim": 16},
    )
