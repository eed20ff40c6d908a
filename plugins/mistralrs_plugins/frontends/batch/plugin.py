"""batch: the declaration."""

from __future__ import annotations

from collections.abc import Iterable

from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends() -> Iterable[FrontendSpec]:
    """Give the command."""
    yield FrontendSpec(
        name="batch",
        summary="Answer a file of requests in OpenAI's batch format",
        app=Ref("mistralrs_plugins.frontends.batch.cli:app"),
    )
