"""Qwen 3 as a reranker that answers: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Rerankers whose files are those of a model that writes."""
    yield ArchitectureSpec(
        name="qwen3-reranker",
        summary="Qwen 3 rerankers that answer yes or no",
        gguf_names=("qwen3",),
        config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("mistralrs_plugins.architectures.qwen3_reranker.model:build"),
        gguf=Ref("mistralrs.modelkit.gguf:PLAIN"),
        matches=Ref("mistralrs_plugins.architectures.qwen3_reranker.matching:reranks"),
        chat_template="qwen3_reranker",
        tasks=("score",),
        capabilities=frozenset({"yes-or-no"}),
        tiny={**TINY, "head_dim": 16},
    )
