"""ModernBERT: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Embeddings and classifiers."""
    yield ArchitectureSpec(
        name="modernbert",
        summary="ModernBERT encoders",
        hf_names=("ModernBertModel", "ModernBertForMaskedLM"),
        gguf_names=("modern-bert",),
        config=Ref("mistralrs_plugins.architectures.modernbert.config:ModernBertConfig"),
        build=Ref("mistralrs_plugins.architectures.modernbert.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.modernbert.config:GGUF"),
        tasks=("embed",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
    yield ArchitectureSpec(
        name="modernbert-classifier",
        summary="ModernBERT cross-encoders and classifiers",
        hf_names=("ModernBertForSequenceClassification",),
        config=Ref("mistralrs_plugins.architectures.modernbert.config:ModernBertConfig"),
        build=Ref("mistralrs_plugins.architectures.modernbert.model:classify"),
        tasks=("score",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
