"""``mistralrs plugins doctor``: what is wrong with the installed plugins, and what would fix it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mistralrs.plugin.doctor import diagnose


def examine_plugins(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects.")] = False,
) -> None:
    """Explain what is wrong with the installed plugins; exit status 1 when something does not work."""
    found = diagnose(ctx.obj.host)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    else:
        for each in found:
            typer.echo(f"{each.level}: {each.subject}: {each.problem}")
            if each.fix:
                typer.echo(f"  fix: {each.fix}")
        if not found:
            typer.echo("every plugin is in order")
    if any(each.level == "error" for each in found):
        raise typer.Exit(1)
