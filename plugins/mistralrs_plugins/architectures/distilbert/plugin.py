"""DistilBERT: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Embeddings and classifiers."""
    yield ArchitectureSpec(
        name="distilbert",
        summary="DistilBERT encoders",
        hf_names=("DistilBertModel", "DistilBertForMaskedLM"),
        config=Ref("mistralrs_plugins.architectures.distilbert.config:DistilBertConfig"),
        build=Ref("mistralrs_plugins.architectures.distilbert.model:build"),
        tasks=("embed",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
    yield ArchitectureSpec(
        name="distilbert-classifier",
        summary="DistilBERT classifiers",
        hf_names=("DistilBertForSequenceClassification",),
        config=Ref("mistralrs_plugins.architectures.distilbert.config:DistilBertConfig"),
        build=Ref("mistralrs_plugins.architectures.distilbert.model:classify"),
        tasks=("score",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
