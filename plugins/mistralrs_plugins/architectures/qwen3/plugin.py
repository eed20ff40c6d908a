"""Qwen3: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Qwen 3, which embeds too, and its rerankers with a head that scores."""
    yield ArchitectureSpec(
        name="qwen3",
        summary="Qwen 3",
        hf_names=("Qwen3ForCausalLM",),
        gguf_names=("qwen3", "qwen3vl"),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen3.model:build"),
        gguf=Ref("mistralrs.modelkit.gguf:PLAIN"),
        chat_template="chatml",
        tasks=("generate", "embed"),
        tiny={**TINY, "head_dim": 16},
    )
    yield ArchitectureSpec(
        name="qwen3-classifier",
        summary="Qwen 3 rerankers and classifiers",
        hf_names=("Qwen3ForSequenceClassification",),
        config=Ref("mistralrs.modelkit.encoder:ScoringConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen3.model:classify"),
        tasks=("score",),
        capabilities=frozenset({"last-token"}),
        tiny={**TINY, "head_dim": 16},
    )
