"""The command line of ``mistralrs bench``. Imports no torch: a wrong model must be refused before that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from mistralrs.cli.options import Sections, some_options
from mistralrs.cli.selector import Selector, check_selector
from mistralrs.errors import UsageError

LENGTH = re.compile("[0-9]{1,9}")

# One sequence for each that is asked for, and every prompt computed: not for the user to say.
FIXED = ("max_seqs", "prefix_cache_n")


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@some_options(without=FIXED)
def bench(
    *,
    ctx: typer.Context,
    sections: Sections,
    selector: Selector = "auto",
    prompt_len: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt-len", "--n-prompt", metavar="N,...", help="Lengths of prompts to time, default 512; 0 skips them."
        ),
    ] = None,
    gen_len: Annotated[
        int, typer.Option("--gen-len", "--n-gen", metavar="N", min=0, help="Tokens to decode; below 2 skips it.")
    ] = 128,
    depth: Annotated[
        list[str] | None, typer.Option(metavar="N,...", help="Tokens in the cache before decoding; default 4.")
    ] = None,
    concurrency: Annotated[
        list[str] | None, typer.Option(metavar="N,...", help="Sequences that run at the same time; default 1.")
    ] = None,
    iterations: Annotated[
        int, typer.Option("--iterations", "--repetitions", metavar="N", min=1, help="Times each test counts.")
    ] = 3,
    warmup: Annotated[int, typer.Option(metavar="N", min=0, help="Times each test runs before.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects.")] = False,
) -> None:
    """Measure a model: prompts and decoding in tokens a second, the time to load it, and the memory it takes."""
    check_selector(selector)
    from mistralrs_plugins.frontends.bench.plan import Plan
    from mistralrs_plugins.frontends.bench.report import as_objects, print_report
    from mistralrs_plugins.frontends.bench.session import measure

    plan = Plan(
        prompt_lengths=tuple(length for length in numbers("--prompt-len", prompt_len or ["512"]) if length),
        new_tokens=gen_len if gen_len > 1 else 0,
        depths=numbers("--depth", depth or ["4"]),
        concurrencies=numbers("--concurrency", concurrency or ["1"], least=1),
        iterations=iterations,
        warmup=warmup,
    )
    found = measure(ctx.obj, sections, plan)
    if as_json:
        typer.echo(as_objects(found))
    else:
        print_report(found)


def numbers(option: str, given: Sequence[str], least: int = 0) -> tuple[int, ...]:
    """The numbers of a list that may be repeated or separated by commas. Raises :class:`UsageError`."""
    words = [word.strip() for text in given for word in text.split(",")]
    for word in words:
        if not LENGTH.fullmatch(word) or int(word) < least:
            raise UsageError(f"{option} takes whole numbers from {least}, separated by commas, not {word!r}")
    return tuple(dict.fromkeys(int(word) for word in words))
