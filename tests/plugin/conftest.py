from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributions import Distributions

from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy


@pytest.fixture
def dists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    """An importable folder of fixture distributions; what was imported from it is forgotten afterwards."""
    root = tmp_path / "site"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    before = set(sys.modules)
    yield Distributions(root)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(root)):
            del sys.modules[name]


@pytest.fixture
def make_host(dists: Distributions) -> Callable[..., PluginHost]:
    """A host that sees the fixture distributions only, under a policy given field by field."""

    def make(**policy: object) -> PluginHost:
        return PluginHost(Policy(**policy), dists.entry_points())  # type: ignore[arg-type]

    return make
