"""``mistralrs cache``: what every source has downloaded, and how to get rid of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mistralrs.checkpoint import CachedModel, Source
from mistralrs.cli.console import amount, note, print_table
from mistralrs.errors import MistralrsError, UsageError

if TYPE_CHECKING:
    from mistralrs.plugin.host import PluginHost

app = typer.Typer(
    help="List and delete downloaded models.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

HfCache = Annotated[Path | None, typer.Option(metavar="DIR", help="Another Hugging Face cache folder.")]


@dataclass(frozen=True, slots=True)
class Entry:
    """A downloaded model, the source that can delete it, and every text that means it."""

    model: CachedModel
    source: Source
    names: frozenset[str]


@app.command("list")
def list_models(
    ctx: typer.Context,
    hf_cache: HfCache = None,
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects.")] = False,
) -> None:
    """List the downloaded models of all sources."""
    models = [entry.model for entry in _entries(ctx.obj.host, hf_cache)]
    if as_json:
        typer.echo(json.dumps([_row(model) for model in models], indent=2))
        return
    rows = [[model.reference, model.source, amount(model.size), _when(model)] for model in models]
    print_table(["MODEL", "SOURCE", "SIZE", "LAST USED"], rows)
    if sys.stdout.isatty():
        typer.echo(f"{len(models)} models, {amount(sum(model.size for model in models))}")


@app.command("delete")
def delete_model(
    ctx: typer.Context,
    model: Annotated[str, typer.Option("-m", "--model-id", metavar="MODEL", help="As `cache list` shows it.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    hf_cache: HfCache = None,
) -> None:
    """Delete one downloaded model."""
    host: PluginHost = ctx.obj.host
    entries = list(_entries(host, hf_cache))
    alias = host.policy.models.get(model)
    wanted = {model, alias.source} if alias else {model}
    found = [entry for entry in entries if entry.names & wanted]
    if not found:
        known = [*(entry.model.reference for entry in entries), *host.policy.models]
        near = get_close_matches(model, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "mistralrs cache list"
        raise UsageError(f"{model!r} is not in the cache", hint)
    for entry in found:
        if yes or _confirmed(entry.model):
            freed = entry.source.delete(entry.model)
            typer.echo(f"deleted {entry.model.reference}, {amount(freed)} freed")


def _entries(host: PluginHost, hf_cache: Path | None) -> Iterator[Entry]:
    """Everything downloaded, source by source. A source that fails is reported and left out."""
    for spec in host.specs("source"):
        try:
            source: Source = host.make(spec, spec.source)
            for model in sorted(source.cached(hf_cache), key=lambda model: model.reference):
                names = {model.reference, *(f"{scheme}:{model.reference}" for scheme in spec.schemes)}
                yield Entry(model, source, frozenset(names))
        except MistralrsError as error:
            note(f"warning: source/{spec.name}: {error}")


def _confirmed(model: CachedModel) -> bool:
    if not _is_interactive():
        raise UsageError(f"not deleting {model.reference} without being sure", "add -y")
    return typer.confirm(f"Delete {model.reference} ({amount(model.size)})?", err=True)


def _is_interactive() -> bool:
    return sys.stdin.isatty()


def _row(model: CachedModel) -> dict[str, str | int | None]:
    """One object of ``cache list --json``; the names are a promise."""
    used = model.last_used
    return {
        "model": model.reference,
        "source": model.source,
        "size_bytes": model.size,
        "last_used": None if used is None else datetime.fromtimestamp(used, UTC).isoformat(timespec="seconds"),
        "path": str(model.path),
    }


def _when(model: CachedModel) -> str:
    """The time a model was last used, in the user's own time zone."""
    if model.last_used is None:
        return "never"
    return datetime.fromtimestamp(model.last_used).astimezone().strftime("%Y-%m-%d %H:%M")
