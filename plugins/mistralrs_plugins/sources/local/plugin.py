"""Local files: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import Ref, SourceSpec, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_sources() -> Iterator[SourceSpec]:
    """Declare the source."""
    yield SourceSpec(
        name="local",
        summary="A folder or a file on this machine",
        schemes=("file",),
        source=Ref("mistralrs_plugins.sources.local.source:LocalSource"),
    )
