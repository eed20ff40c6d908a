"""The command line of ``mistralrs run``. Imports no torch: a wrong model must be refused before that."""

from __future__ import annotations

import sys
import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from mistralrs.cli.console import ProgressBar
from mistralrs.cli.options import Sections, model_options
from mistralrs.cli.selector import Selector, check_selector
from mistralrs.errors import UsageError

if TYPE_CHECKING:
    from mistralrs.cli.context import CliContext
    from mistralrs_plugins.frontends.run.conversation import Settings

MAX_STDIN_BYTES = 32 << 20

TRUTH = ("true", "false")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class RunCommand(TyperCommand):
    """Lets ``--thinking`` stand alone for ``--thinking true``, which typer cannot say."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, with the value of a bare ``--thinking`` filled in."""
        filled = [
            f"{word}=true" if word == "--thinking" and following not in TRUTH else word
            for word, following in zip_longest(args, args[1:])
        ]
        return super().parse_args(ctx, filled)


@app.command(cls=RunCommand)
@model_options
def run(
    *,
    ctx: typer.Context,
    sections: Sections,
    selector: Selector = "auto",
    text: Annotated[
        str | None,
        typer.Option("-i", "--input", metavar="TEXT", help="Answer this and exit. Piped standard input follows it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With -i: print one JSON object.")] = False,
    thinking: Annotated[
        str | None, typer.Option(metavar="[true|false]", help="Force thinking on, or off; alone it means true.")
    ] = None,
    reasoning_effort: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="off, none, low, medium, high or xhigh.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(metavar="N", help="Most tokens of an answer.")] = None,
    temperature: Annotated[float | None, typer.Option(metavar="T", help="0 is greedy.")] = None,
    top_k: Annotated[int | None, typer.Option(metavar="K", help="Keep the K likeliest tokens; 0 is off.")] = None,
    top_p: Annotated[float | None, typer.Option(metavar="P", help="Keep the likeliest tokens up to P.")] = None,
    min_p: Annotated[float | None, typer.Option(metavar="P", help="Drop tokens below P of the likeliest.")] = None,
) -> None:
    """Chat with a model in the terminal; with -i or piped standard input, answer once and exit."""
    check_selector(selector, "prompts are given with -i")
    prompt = read_prompt(text)
    if prompt is None and (as_json or not sys.stdout.isatty()):
        raise UsageError("there is nothing to answer", "give a prompt with -i TEXT or on standard input")
    from mistralrs_plugins.frontends.run.conversation import Settings

    sampling = {"max_tokens": max_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    settings = Settings.checked(
        sampling={name: value for name, value in sampling.items() if value is not None},
        thinking=_truth(thinking),
        reasoning_effort=reasoning_effort,
    )
    _talk(ctx.obj, sections, settings, prompt, as_json=as_json)


def _talk(context: CliContext, sections: Sections, settings: Settings, prompt: str | None, *, as_json: bool) -> None:
    """Load the model; answer ``prompt`` with it, or chat when there is none."""
    from mistralrs.api.engine import LocalEngine
    from mistralrs_plugins.frontends.run.conversation import Conversation

    started = time.perf_counter()
    with ProgressBar() as progress:
        engine = LocalEngine.open(context.host, *sections, progress=progress, seed=context.seed, log=context.log)
    load_seconds = time.perf_counter() - started
    with engine:
        conversation = Conversation(engine, settings, engine.model.id)
        if prompt is None:
            from mistralrs_plugins.frontends.run.repl import chat

            chat(conversation)
        else:
            from mistralrs_plugins.frontends.run.once import answer_once

            answer_once(conversation, prompt, as_json=as_json, load_seconds=load_seconds)


def _truth(value: str | None) -> bool | None:
    if value is None:
        return None
    if value in TRUTH:
        return value == "true"
    raise UsageError(f"--thinking must be true or false, not {value!r}")


def read_prompt(text: str | None) -> str | None:
    """The prompt to answer: ``text``, then what is piped in. None means that a person sits at the terminal.

    Raises :class:`UsageError` when the prompt is empty, too long, or not UTF-8.
    """
    piped = "" if sys.stdin is None or sys.stdin.isatty() else _read_stdin()
    if text is None and (sys.stdin is not None and sys.stdin.isatty()):
        return None
    prompt = "\n".join(part for part in (text, piped) if part)
    if not prompt.strip():
        raise UsageError("the prompt is empty", "give one with -i TEXT or on standard input")
    return prompt


def _read_stdin() -> str:
    content = sys.stdin.buffer.read(MAX_STDIN_BYTES + 1)
    if len(content) > MAX_STDIN_BYTES:
        raise UsageError(f"standard input is longer than {MAX_STDIN_BYTES >> 20} MiB")
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError("standard input is not UTF-8 text") from error
