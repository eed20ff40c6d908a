"""Nomic BERT: the declaration."""

from collections.abc import Iterable

from mistralrs.modelkit.tiny import TINY
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_architectures() -> Iterable[ArchitectureSpec]:
    """Embeddings."""
    yield ArchitectureSpec(
        name="nomic-bert",
        summary="Nomic BERT encoders",
        hf_names=("NomicBertModel",),
        gguf_names=("nomic-bert",),
        config=Ref("mistralrs_plugins.architectures.nomic_bert.config:NomicBertConfig"),
        build=Ref("mistralrs_plugins.architectures.nomic_bert.model:build"),
        gguf=Ref("mistralrs_plugins.architectures.nomic_bert.config:GGUF"),
        tasks=("embed",),
        tiny={**TINY, "num_key_value_heads": 4},
    )
