"""The Hugging Face hub: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import Ref, SourceSpec, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_sources() -> Iterator[SourceSpec]:
    """Declare the source."""
    yield SourceSpec(
        name="huggingface",
        summary="A repository on the Hugging Face hub: org/name",
        schemes=("hf",),
        source=Ref("mistralrs_plugins.sources.huggingface.source:HubSource"),
        requires=("huggingface_hub",),
    )
