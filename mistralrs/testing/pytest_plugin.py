"""What the kit adds to pytest: fixtures for plugin authors, and ``--plugin`` for the suite.

Loaded wherever pytest runs beside this package, so it imports nothing heavy before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.plugin import ArchitectureSpec
    from mistralrs.plugin.host import PluginHost
    from mistralrs.plugin.policy import Policy

pytest.register_assert_rewrite("mistralrs.testing.conformance")

chosen: list[str] = []
"""The ids given with ``--plugin``; the suite makes its classes from them when it is imported."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--plugin``."""
    group = parser.getgroup("mistralrs")
    group.addoption(
        "--plugin",
        action="append",
        default=[],
        metavar="ID",
        help="A mistralrs plugin to examine: pytest --pyargs mistralrs.testing.suite --plugin kind/name.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Remember the plugins to examine."""
    chosen[:] = config.getoption("--plugin")


@pytest.fixture
def plugin_host() -> Callable[..., PluginHost]:
    """A host that sees only what it is given: ``plugin_host({"architecture/foo": "mistralrs_foo.plugin"})``.

    Nothing that is installed is discovered, unless ``builtins=True`` adds the plugins of this package. ``policy`` is
    passed on.
    """

    def make(plugins: Mapping[str, str], *, builtins: bool = False, policy: Policy | None = None) -> PluginHost:
        from mistralrs.plugin.discovery import installed
        from mistralrs.plugin.host import PluginHost
        from mistralrs.plugin.kinds import kind_named
        from mistralrs.plugin.records import BUILTIN

        shipped = [each for each in installed() if each.dist is not None and each.dist.name == BUILTIN]
        found = shipped if builtins else []
        for plugin, module in plugins.items():
            kind, _, name = plugin.partition("/")
            found.append(EntryPoint(name, module, kind_named(kind).group))
        return PluginHost(policy, found)

    return make


@pytest.fixture
def tiny_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny model of an architecture: ``tiny_checkpoint("llama")`` or ``tiny_checkpoint(spec)``.

    The folder it returns can be loaded with ``mistralrs run -m FOLDER``. Keyword arguments change its config.json.
    """

    def write(architecture: str | ArchitectureSpec, **changes: Any) -> Path:
        from mistralrs.plugin.host import PluginHost
        from mistralrs.testing.tiny import write_checkpoint

        found = architecture
        spec = PluginHost().resolve("architecture", found) if isinstance(found, str) else found
        return write_checkpoint(spec, tmp_path / f"tiny-{spec.name}", **changes)

    return write


@pytest.fixture
def tiny_tokenizer() -> Tokenizer:
    """A tokenizer of one token per character, 64 in all."""
    from mistralrs.testing.tiny import tiny_tokenizer as make

    return make()
