"""bench: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends() -> Iterator[FrontendSpec]:
    """Declare the command."""
    yield FrontendSpec(
        name="bench",
        summary="Measure prompt and decode speed, load time and memory of a model",
        app=Ref("mistralrs_plugins.frontends.bench.cli:app"),
    )
