"""The command line of ``mistralrs from-config``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mistralrs.cli.context import CliContext
from mistralrs.errors import UsageError

if TYPE_CHECKING:
    from mistralrs_plugins.frontends.from_config.toml_file import ConfigFile

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def from_config(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE] [-- ARGUMENTS]", show_default=False, help="What follows -- goes to the command."
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", metavar="FILE", help="The TOML file.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the file and load nothing.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Print every setting and where it is from.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of such files, for editors.")] = False,
) -> None:
    """Run what a TOML file describes. Options before the command win over the file."""
    if schema:
        from mistralrs.config.from_config import Configuration

        typer.echo(json.dumps(Configuration.model_json_schema(by_alias=True), indent=2))
        return
    path, rest = _split(file, words or [])
    from mistralrs.config.toml_text import to_toml
    from mistralrs_plugins.frontends.from_config.arguments import command_line
    from mistralrs_plugins.frontends.from_config.toml_file import read_config

    read = read_config(path)
    context = _context(ctx.obj, read)
    if show:
        for text in to_toml(read.config, read.origin):
            typer.echo(text)
    line = command_line(read.config)
    _check(context, read)
    if check or show:
        typer.echo(f"{path} is in order", err=show)
        return
    from mistralrs.cli.main import run

    raise typer.Exit(run([*_global(ctx.obj), *_without(line, ctx.obj), *rest], context))


def _split(file: Path | None, words: list[str]) -> tuple[Path, list[str]]:
    """The file, and the words for the command."""
    if file is not None:
        return file, words
    if not words:
        raise UsageError("there is no file", "mistralrs from-config -f FILE.toml")
    return Path(words[0]), words[1:]


def _context(given: CliContext, read: ConfigFile) -> CliContext:
    """The context of the command: the plugins under the file's decisions too."""
    from mistralrs.plugin.registry_file import parse_registry

    config = read.config
    tables = {
        "plugins": config.plugins.model_dump(exclude_none=True, mode="json"),
        "prefer": config.prefer,
        "options": config.options,
    }
    decisions = (parse_registry(tables, read.path), str(read.path))
    return CliContext(registry=given.registry, no_plugins=list(given.no_plugins), decisions=decisions)


def _check(context: CliContext, read: ConfigFile) -> None:
    """What can be known without loading: plugins that are named exist, and files that are named are there."""
    from mistralrs.config.toml_text import leaves
    from mistralrs_plugins.frontends.from_config.toml_file import PATHS

    for name, value in leaves(read.config):
        key = name.rpartition(".")[2]
        if isinstance(value, Path) and key in PATHS - {"log", "hf_cache"} and not value.is_file():
            raise UsageError(f"{read.path}: {name}: there is no file {value}")
        if value is not None and key in ("arch", "isq"):
            context.host.resolve("architecture" if key == "arch" else "quantization", value)
    context.host.resolve("frontend", read.config.command)


def _global(given: CliContext) -> list[str]:
    """The options that stood before from-config, which win over the file's."""
    words = [f"--registry={given.registry}"] if given.registry else []
    words += [f"--no-plugin={name}" for name in given.no_plugins]
    words += ["-v"] * given.verbose
    words += [f"--seed={given.seed}"] if given.seed is not None else []
    words += [f"--log={given.log}"] if given.log else []
    return words + ([f"--token-source={given.token_source}"] if given.token_source != "cache" else [])


def _without(line: list[str], given: CliContext) -> list[str]:
    """The file's command line without what was given on the command line."""
    default = CliContext()
    overruled = [
        f"--{name.replace('_', '-')}="
        for name in ("seed", "log", "token_source")
        if getattr(given, name) != getattr(default, name)
    ]
    return [word for word in line if not word.startswith(tuple(overruled))] if overruled else line
