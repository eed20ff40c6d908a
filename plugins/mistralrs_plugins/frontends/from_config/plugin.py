"""from-config: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends() -> Iterable[FrontendSpec]:
    """Give the command."""
    yield FrontendSpec(
        name="from-config",
        summary="Run what a TOML file describes",
        app=Ref("mistralrs_plugins.frontends.from_config.cli:app"),
    )
