"""The ``mistralrs`` command: global options, the front ends below them, and one way to report what goes wrong.

Exit status: 0 done, 1 failed while running, 2 wrong usage, file or model, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from typer import completion

import mistralrs
from mistralrs.cli import plugins
from mistralrs.cli.argv import hoist
from mistralrs.cli.console import print_error
from mistralrs.cli.context import CliContext
from mistralrs.cli.lazy import LazyGroup
from mistralrs.errors import MistralrsError, UsageError
from mistralrs.plugin.policy import is_strict

MAX_SEED: Final = 2**64 - 1
COMPLETE_VARIABLE: Final = "_MISTRALRS_COMPLETE"
"""Set by the scripts of ``mistralrs completions``: what is asked for then is in further variables, not in the words."""

TOKEN_SOURCES: Final = ("literal:", "env:", "path:")

LOGGERS = ("mistralrs", "mistralrs_plugins")
"""Whose messages are shown."""

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(plugins.app, name="plugins")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"mistralrs {mistralrs.__version__}")
        raise typer.Exit


def _set_registry(ctx: typer.Context, value: Path | None) -> None:
    ctx.obj.registry = value


def _set_no_plugins(ctx: typer.Context, value: list[str] | None) -> None:
    ctx.obj.no_plugins = list(value or ())


@app.callback()
def _root(
    ctx: typer.Context,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=MAX_SEED, help="Seed of the engine's sampling."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option("-l", "--log", metavar="FILE", help="Append every request and response to this file."),
    ] = None,
    token_source: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="Where the Hugging Face token comes from: literal:TOKEN, env:NAME, path:FILE, cache, none.",
        ),
    ] = "cache",
    verbose: Annotated[
        int,
        typer.Option("-v", "--verbose", count=True, show_default=False, help="Log more to stderr; twice for all."),
    ] = 0,
    # Eager as --help is, because the commands that help lists depend on them.
    _registry: Annotated[
        Path | None,
        typer.Option(
            "--registry",
            metavar="FILE",
            is_eager=True,
            callback=_set_registry,
            help="A registry.toml on top of the others.",
        ),
    ] = None,
    _no_plugin: Annotated[
        list[str] | None,
        typer.Option(
            "--no-plugin",
            metavar="ID",
            is_eager=True,
            callback=_set_no_plugins,
            help="Leave out a plugin (repeatable).",
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """Run large language models. Global options may also follow the command."""
    if token_source not in ("cache", "none") and not token_source.startswith(TOKEN_SOURCES):
        # The value may be a token by mistake: it is not repeated.
        raise UsageError("--token-source must be literal:TOKEN, env:NAME, path:FILE, cache or none")
    context: CliContext = ctx.obj
    context.seed, context.log, context.token_source, context.verbose = seed, log, token_source, verbose
    if verbose:
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.DEBUG if verbose == 1 else 1)


def run(arguments: Sequence[str], context: CliContext | None = None) -> int:
    """Run one command line and return its exit status; what goes wrong is printed to stderr."""
    context = context or CliContext()
    if COMPLETE_VARIABLE in os.environ:
        completion.completion_init()  # type: ignore[attr-defined]  # imported there, not declared
    try:
        with _logging_to_stderr():
            app(hoist(arguments), prog_name="mistralrs", obj=context)
    except SystemExit as end:  # how typer ends, always
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    except MistralrsError as error:
        if COMPLETE_VARIABLE in os.environ:
            return error.exit_code  # the command line is still being written
        if context.verbose or is_strict():
            traceback.print_exc()
        print_error(error.message, error.hint)
        return error.exit_code
    except Exception as error:
        if context.verbose:
            traceback.print_exc()
        print_error(f"internal error: {type(error).__name__}: {error}", "-v shows where; please report it")
        return 1
    return 0


@contextlib.contextmanager
def _logging_to_stderr() -> Iterator[None]:
    """Send the log of this program and of its own plugins to stderr, for the time of one command line."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)


def main() -> None:
    """Run the process's command line and exit."""
    sys.exit(run(sys.argv[1:]))
