"""login: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends() -> Iterator[FrontendSpec]:
    """Declare the command."""
    yield FrontendSpec(
        name="login",
        summary="Save a Hugging Face token for gated and private models",
        app=Ref("mistralrs_plugins.frontends.login.cli:app"),
    )
