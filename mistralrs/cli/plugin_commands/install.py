"""``mistralrs plugins install`` and ``uninstall``: drive the running interpreter's pip and say what changed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mistralrs.cli.console import note, print_table
from mistralrs.errors import MistralrsError, PluginError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import near
from mistralrs.plugin.records import BUILTIN, Status, one_line

Rows = dict[str, dict[str, Any]]


def install_plugins(
    packages: Annotated[
        list[str],
        typer.Argument(metavar="PACKAGE...", help="What pip takes: names, files, URLs; its own options after `--`."),
    ],
    upgrade: Annotated[bool, typer.Option("-U", "--upgrade", help="Take the newest version.")] = False,
) -> None:
    """Install plugins with pip and show what that changed; exit status 1 when one of them is broken."""
    before = _installed()
    _pip("install", *(["--upgrade"] if upgrade else []), *packages)
    changed = _report(before, _installed())
    if any(row["status"] == Status.BROKEN for row in changed):
        raise typer.Exit(1)


def uninstall_plugins(
    ctx: typer.Context,
    plugins: Annotated[list[str], typer.Argument(metavar="ID...", help="Plugins or distributions.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> None:
    """Remove the distributions of plugins with pip and show what that changed."""
    distributions = list(dict.fromkeys(_distribution(ctx.obj.host, name) for name in plugins))
    before = _installed()
    doomed = [id for id, row in before.items() if row["distribution"] in distributions]
    if not yes and not typer.confirm(f"remove {', '.join(distributions)} with {', '.join(doomed)}?", err=True):
        raise typer.Exit(1)
    _pip("uninstall", "--yes", *distributions)
    _report(before, _installed())


def _distribution(host: PluginHost, name: str) -> str:
    records = host.discover_all()
    found = {record.distribution for record in records if name in record.names}
    if len(found) != 1:
        known = {word for record in records for word in (record.id, record.distribution)}
        raise PluginError(
            f"{len(found) or 'no'} distributions are meant by {name!r}"
            + (": " + ", ".join(sorted(found)) if found else near(name, known))
        )
    if BUILTIN in found:
        raise PluginError(f"{name} comes with {BUILTIN} itself", f"mistralrs plugins disable {name}")
    return found.pop()


def _pip(*arguments: str) -> None:
    """Run pip. What it prints goes to stderr, as progress does."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    note(f"+ {' '.join(command)}")
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise MistralrsError(f"pip {arguments[0]} failed with status {done.returncode}", "its own message is above")


def _installed() -> Rows:
    """The plugins as a fresh interpreter sees them: this one may have imported what is being replaced."""
    command = [sys.executable, "-m", "mistralrs", "plugins", "list", "--load", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        rows = json.loads(done.stdout)
    except ValueError:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no output")
        raise MistralrsError(f"the installed plugins cannot be listed: {one_line(last)}") from None
    return {f"{row['id']}@{row['distribution']}": row for row in rows}


def _report(before: Rows, after: Rows) -> Sequence[dict[str, Any]]:
    """Print what came, went, or has another version or status; return what came or changed."""
    shown: list[list[str]] = []
    changed: list[dict[str, Any]] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        row = new or old
        if row is None or (old is not None and new is not None and _state(old) == _state(new)):
            continue
        word = "added" if old is None else "removed" if new is None else "changed"
        version = f"{old['version']} -> {new['version']}" if old and new and old["version"] != new["version"] else ""
        shown.append([word, row["id"], row["distribution"], version or row["version"], _status(new), row["reason"]])
        changed += [new] if new else []
    if shown:
        print_table(["", "PLUGIN", "FROM", "VERSION", "STATUS", "NOTE"], [[one_line(c) for c in row] for row in shown])
    else:
        typer.echo("no plugin changed")
    return changed


def _state(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["version"], row["status"], row["reason"]


def _status(row: dict[str, Any] | None) -> str:
    return row["status"] if row else ""
