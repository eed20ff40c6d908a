"""Tokens: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends() -> Iterable[FrontendSpec]:
    """Give the command."""
    yield FrontendSpec(
        name="tokens",
        summary="Show how a model cuts a text into tokens",
        app=Ref("mistralrs_tokens.cli:app"),
    )
