"""``mistralrs plugins new``: starts a plugin from a template, or from an installed architecture."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from mistralrs.errors import UsageError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS, kind_named
from mistralrs.scaffold.new import Plan, plan_builtin, plan_distribution, plugin_name
from mistralrs.scaffold.variant import variant_of

_KINDS = ", ".join(KINDS)


def new_plugin(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in acme-foo; the distribution is mistralrs-NAME.")],
    kind: Annotated[str, typer.Option(metavar="KIND", help=f"One of {_KINDS}.")],
    origin: Annotated[
        str | None, typer.Option("--from", metavar="ARCH", help="Start as a variant of an installed architecture.")
    ] = None,
    builtin: Annotated[
        bool, typer.Option("--builtin", help="A folder of this checkout instead of a distribution.")
    ] = False,
    folder: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where to write it.")] = Path(),
) -> None:
    """Start a new plugin that installs, lists and passes its own tests."""
    kind = kind_named(kind).name
    own = _variant(ctx.obj.host, kind, origin, plugin_name(name), builtin=builtin) if origin else None
    plan = plan_builtin(kind, name, _checkout(), own) if builtin else plan_distribution(kind, name, folder, own)
    for path in plan.write():
        typer.echo(f"wrote {path}")
    _say_what_next(plan, builtin=builtin)


def _variant(host: PluginHost, kind: str, origin: str, name: str, *, builtin: bool) -> dict[str, str]:
    if kind != "architecture":
        raise UsageError(f"--from starts a variant of an architecture, not of a plugin of the kind {kind}")
    module = name.replace("-", "_")
    package = f"mistralrs_plugins.architectures.{module}" if builtin else f"mistralrs_{module}"
    return variant_of(host.resolve("architecture", origin), name, package)


def _checkout() -> Path:
    """The clone of the repository that this program runs from, or the working directory."""
    spec = importlib.util.find_spec("mistralrs_plugins")
    places = list(spec.submodule_search_locations or ()) if spec else []
    running = Path(places[0]).parent.parent if places else Path()
    return running if (running / "hatch_build.py").is_file() else Path.cwd()


def _say_what_next(plan: Plan, *, builtin: bool) -> None:
    if builtin:
        typer.echo(
            f"\npip install --no-deps -e .    # finds the new folder\nmistralrs plugins check {plan.kind}/{plan.name}"
        )
        return
    typer.echo(f"\npip install -e '{plan.root}[testing]'\nmistralrs plugins check {plan.kind}/{plan.name}")
