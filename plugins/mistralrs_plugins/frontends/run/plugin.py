"""run: the declaration."""

from __future__ import annotations

from collections.abc import Iterable

from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends() -> Iterable[FrontendSpec]:
    """Give the command."""
    yield FrontendSpec(
        name="run",
        summary="Chat with a model in the terminal, or answer one prompt (-i)",
        app=Ref("mistralrs_plugins.frontends.run.cli:app"),
    )
