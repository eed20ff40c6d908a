"""``mistralrs plugins``: what is installed, what became of it, and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Annotated, Any, ClassVar

import typer

from mistralrs.cli.console import print_table
from mistralrs.cli.lazy import LazyCommands
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS, kind_named
from mistralrs.plugin.policy import Policy
from mistralrs.plugin.records import PluginRecord, Status, one_line
from mistralrs.plugin.ref import Ref

_HOME = "mistralrs.cli.plugin_commands"


class _Commands(LazyCommands):
    later: ClassVar = {
        "check": (Ref("mistralrs.testing.command:check_plugins"), "Examine plugins with the conformance kit."),
        "disable": (Ref(f"{_HOME}.switch:disable_plugin"), "Keep a plugin from loading."),
        "doctor": (Ref(f"{_HOME}.doctor:examine_plugins"), "Explain what is wrong, and what would fix it."),
        "enable": (Ref(f"{_HOME}.switch:enable_plugin"), "Let a plugin load again."),
        "install": (Ref(f"{_HOME}.install:install_plugins"), "Install plugins with pip, and show what changed."),
        "new": (Ref(f"{_HOME}.new:new_plugin"), "Start a new plugin."),
        "uninstall": (Ref(f"{_HOME}.install:uninstall_plugins"), "Remove plugins with pip, and show what changed."),
    }


app = typer.Typer(
    cls=_Commands,
    help="List, inspect, switch, install and examine plugins.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


_FOOTER = "`--load` imports and checks them, `--kind K`, `--json`, `--third-party`."


@app.command("list", short_help="List what is installed.")
def list_plugins(
    ctx: typer.Context,
    load: Annotated[
        bool, typer.Option("--load", help="Import and check them; exit status 1 when one is broken.")
    ] = False,
    kind: Annotated[str | None, typer.Option(help=f"Only one kind: {', '.join(KINDS)}.")] = None,
    third_party: Annotated[bool, typer.Option("--third-party", help="Only those of other distributions.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects.")] = False,
) -> None:
    """List the installed plugins, without importing them unless asked to."""
    host: PluginHost = ctx.obj.host
    for name in [kind_named(kind).name] if kind else KINDS:
        if load:
            host.load(name)
    records = host.discover(kind) if kind else host.discover_all()
    shown = [record for record in records if not (third_party and record.builtin)]
    if as_json:
        typer.echo(json.dumps([_row(record) for record in shown], indent=2))
    else:
        _print_records(shown, with_keys=load)
        others = sum(not record.builtin for record in records)
        typer.echo(f"{len(records)} plugins, {others} from other distributions. {_FOOTER}")
    if load and any(record.status is Status.BROKEN for record in records):
        raise typer.Exit(1)


@app.command("show", short_help="Show one plugin, and who decided about it.")
def show_plugin(
    ctx: typer.Context,
    plugin: Annotated[str, typer.Argument(metavar="ID", help="kind/name, or a name that only one plugin has.")],
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
) -> None:
    """Show one plugin: what it provides, where it came from, and which layer of the policy decided about it."""
    host: PluginHost = ctx.obj.host
    record = host.find(plugin)
    if record.kind in KINDS:
        host.load(record.kind)
    details = {**_row(record), **_details(record, host.policy)}
    if as_json:
        typer.echo(json.dumps(details, indent=2))
        return
    for key, value in details.items():
        for number, line in enumerate(value if isinstance(value, list) else [value]):
            typer.echo(f"{'' if number else key:<14}{one_line(line)}".rstrip())


def _row(record: PluginRecord) -> dict[str, Any]:
    """One object of ``plugins list --json``; the names are a promise."""
    return {
        "id": record.id,
        "kind": record.kind,
        "name": record.name,
        "version": record.version,
        "distribution": record.distribution,
        "status": str(record.status),
        "reason": record.reason,
        "keys": list(record.keys),
    }


def _details(record: PluginRecord, policy: Policy) -> dict[str, Any]:
    """What ``plugins show`` adds."""
    module = sys.modules.get(record.entry_point.value.partition(":")[0].strip())
    return {
        "summary": [spec.summary for spec in record.specs],
        "entry_point": record.entry_point.value,
        "file": getattr(module, "__file__", None) or "",
        "requires": [package for spec in record.specs for package in spec.requires],
        "refs": [line for spec in record.specs for line in _refs(spec)],
        "decided_by": list(_decisions(record, policy)),
    }


def _refs(spec: Any) -> Iterator[str]:
    for item in fields(spec):
        if isinstance(value := getattr(spec, item.name), Ref):
            yield f"{item.name} = {value.target}"


def _decisions(record: PluginRecord, policy: Policy) -> Iterator[str]:
    """The decisions about a plugin, each with the layer that made it."""
    for name in sorted(record.names & policy.disabled):
        yield f"disabled by {policy.layer('disable', name)}, as {name!r}"
    for key in record.keys:
        entry = f"{record.kind}:{key}"
        if entry in policy.prefer:
            yield f'[prefer] "{entry}" = "{policy.prefer[entry]}" in {policy.layer("prefer", entry)}'
    for option, value in policy.options.get(record.id, {}).items():
        layer = policy.layer("options", f"{record.id}.{option}")
        yield f'[options."{record.id}"] {option} = {value!r} in {layer}'


def _print_records(records: Sequence[PluginRecord], *, with_keys: bool) -> None:
    head = ["PLUGIN", "VERSION", "FROM", "STATUS", *(["PROVIDES"] if with_keys else []), "NOTE"]
    rows = []
    for record in records:
        keys = [", ".join(record.keys)] if with_keys else []
        cells = [record.id, record.version, record.distribution, record.status, *keys, record.reason]
        rows.append([one_line(cell) for cell in cells])
    print_table(head, rows)
