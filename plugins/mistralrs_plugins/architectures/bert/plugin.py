"""BERT: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Embeddings and classifiers."""
    yield ArchitectureSpec(
        name="bert",
        summary="BERT encoders",
        hf_names=("BertModel", "BertForMaskedLM"),
        gguf_names=("bert",),
        config=Ref("mistralrs_plugins.architectures.bert.config:BertConfig"),
        build=Ref("mistralrs_plugins.architectures.bert.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.bert.config:GGUF"),
        tasks=("embed",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
    yield ArchitectureSpec(
        name="bert-classifier",
        summary="BERT cross-encoders and classifiers",
        hf_names=("BertForSequenceClassification",),
        config=Ref("mistralrs_plugins.architectures.bert.config:BertConfig"),
        build=Ref("mistralrs_plugins.architectures.bert.model:classify"),
        tasks=("score",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
