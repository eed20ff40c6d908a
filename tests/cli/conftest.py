from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributions import Distributions

ROOT = Path(__file__).parents[2]

FRONTEND = """
from mistralrs.plugin import FrontendSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_frontends():
    yield FrontendSpec(name="{name}", summary="{summary}", app=Ref("{name}_app:app"), requires={requires!r})
"""

APP = """
from typing import Annotated

import typer

from mistralrs.errors import SourceError

app = typer.Typer()


@app.command()
def command(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument()] = "",
    fail: Annotated[str, typer.Option()] = "",
):
    "Say what the global options are."
    if fail == "error":
        raise SourceError("no such model", "look elsewhere")
    if fail == "bug":
        raise RuntimeError("a bug")
    if fail == "interrupt":
        raise KeyboardInterrupt
    if fail == "exit":
        raise typer.Exit(1)
    given = ctx.obj
    print(text, given.seed, given.log, given.token_source, given.verbose, given.no_plugins, sep="|")
"""


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("MISTRALRS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def dists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    """Fixture distributions that this process and its children see as installed."""
    root = tmp_path / "site"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(ROOT), str(ROOT / "plugins")]))
    before = set(sys.modules)
    yield Distributions(root)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(root)):
            del sys.modules[name]


@pytest.fixture
def frontend(dists: Distributions) -> Callable[..., None]:
    """Install a front end called ``name``."""

    def install(name: str = "greet", app: str = APP, requires: tuple[str, ...] = ()) -> None:
        dists.add(
            f"acme-{name}",
            entry_points={"mistralrs.frontends": {name: f"{name}_plugin"}},
            modules={
                f"{name}_plugin": FRONTEND.format(name=name, summary=f"The {name} command.", requires=requires),
                f"{name}_app": app,
            },
        )

    return install


@pytest.fixture
def mistralrs(dists: Distributions) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in a process of its own."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mistralrs", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return call
