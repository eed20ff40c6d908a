"""serve: the declaration."""

from __future__ import annotations

from collections.abc import Iterable

from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends() -> Iterable[FrontendSpec]:
    """Give the command."""
    yield FrontendSpec(
        name="serve",
        summary="Serve a model over HTTP, as OpenAI and Anthropic do",
        app=Ref("mistralrs_plugins.frontends.serve.cli:app"),
        section=Ref("mistralrs.config.server:ServerConfig"),
        requires=("fastapi", "uvicorn", "prometheus_client", "python_multipart"),
    )
