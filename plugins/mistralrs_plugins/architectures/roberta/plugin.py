"""RoBERTa: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Embeddings and classifiers."""
    yield ArchitectureSpec(
        name="roberta",
        summary="RoBERTa and XLM-RoBERTa encoders",
        hf_names=("RobertaModel", "RobertaForMaskedLM", "XLMRobertaModel", "XLMRobertaForMaskedLM", "CamembertModel"),
        config=Ref("mistralrs_plugins.architectures.roberta.config:RobertaConfig"),
        build=Ref("mistralrs_plugins.architectures.roberta.model:build"),
        tasks=("embed",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
    yield ArchitectureSpec(
        name="roberta-classifier",
        summary="RoBERTa and XLM-RoBERTa cross-encoders and classifiers",
        hf_names=(
            "RobertaForSequenceClassification",
            "XLMRobertaForSequenceClassification",
            "CamembertForSequenceClassification",
        ),
        config=Ref("mistralrs_plugins.architectures.roberta.config:RobertaConfig"),
        build=Ref("mistralrs_plugins.architectures.roberta.model:classify"),
        tasks=("score",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
