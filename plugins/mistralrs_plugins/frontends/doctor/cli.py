"""The command line of ``mistralrs doctor``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from mistralrs.cli.console import amount
from mistralrs.plugin.records import one_line

WIDTH = 14

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
    no_network: Annotated[bool, typer.Option("--no-network", help="Do not ask whether the hub answers.")] = False,
) -> None:
    """Examine the machine and the installation; exit status 1 when something does not work."""
    from mistralrs.api.system import examine

    found = examine(ctx.obj.host, network=not no_network)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for name, text in _lines(found):
            typer.echo(f"{name:<{WIDTH}}{one_line(text)}".rstrip())
        typer.echo()
        for line in _checks(found["checks"]):
            typer.echo(line)
    if found["status"] == "error":
        raise typer.Exit(1)


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The facts, a name and a value each."""
    here, installed, hub = found["environment"], found["installation"], found["hub"]
    yield "system", f"{here['os']}, Python {here['python']}"
    yield "processor", f"{here['cpu']}, {here['usable_cpus']} of {here['cpus']} CPUs usable"
    yield "", "instructions: " + (" ".join(here["cpu_features"]) or "not known")
    yield "memory", f"{amount(here['available_memory_bytes'])} of {amount(here['memory_bytes'])} available"
    for each in found["accelerators"] or [{"device": "none", "name": ""}]:
        yield "accelerator", " ".join(filter(None, (each["device"], each["name"], _room(each))))
    yield "installed", f"{installed['distribution']} {installed['version']} in {installed['path']}"
    versions = (f"{name} {version}" for name, version in installed["packages"].items() if version)
    yield "packages", ", ".join(versions)
    for each in found["kernels"]:
        state = f"not usable: {each['reason']}" if each["usable"] is False else "usable"
        yield "kernels", f"{each['name']} ({', '.join(each['devices'])}): {state}"
    for each in found["caches"]:
        yield "cache", f"{each['name']}: {amount(each['bytes'])}{' in ' + each['path'] if each['path'] else ''}"
    yield "hub", f"{hub['endpoint']}, {'with' if hub['token'] else 'without'} a token, cache in {hub['cache']}"


def _room(accelerator: Mapping[str, Any]) -> str:
    if "memory_bytes" not in accelerator:
        return str(accelerator.get("error", ""))
    free, total = amount(accelerator["available_memory_bytes"]), amount(accelerator["memory_bytes"])
    return f"{free} of {total} available, compute capability {accelerator['compute_capability']}"


def _checks(checks: list[dict[str, str]]) -> Iterator[str]:
    for check in checks:
        yield one_line(f"{check['level']}: {check['subject']}: {check['problem']}")
        if check["fix"]:
            yield f"  {one_line('fix: ' + check['fix'])}"
    bad = sum(check["level"] in ("error", "warning") for check in checks)
    yield "nothing is wrong" if not bad else f"{bad} problem{'s' if bad > 1 else ''}"
