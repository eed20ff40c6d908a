"""doctor: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends() -> Iterator[FrontendSpec]:
    """Declare the command."""
    yield FrontendSpec(
        name="doctor",
        summary="Examine the machine and the installation, and say what to repair",
        app=Ref("mistralrs_plugins.frontends.doctor.cli:app"),
    )
