"""The command line of ``mistralrs batch``. What is wrong with the files is said before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mistralrs.cli.console import ProgressBar, note
from mistralrs.cli.options import Sections, some_options

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@some_options()
def batch(
    *,
    ctx: typer.Context,
    sections: Sections,
    source: Annotated[Path, typer.Argument(metavar="IN.jsonl", show_default=False, help="The requests, one a line.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.jsonl", show_default=False, help="Where the answers go.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a file of answers: requests that have one are left out.")
    ] = False,
    concurrency: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Requests that are worked on at a time; default --max-seqs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what became of it as an object.")] = False,
) -> None:
    """Answer a file of requests in OpenAI's batch format; exit status 1 when one of them failed."""
    from mistralrs_plugins.frontends.batch.files import open_answers, open_requests
    from mistralrs_plugins.frontends.batch.work import work

    at_a_time = concurrency or sections.runtime.max_seqs
    with (
        open_requests(source) as requests,
        open_answers(target, resume=resume) as answers,
        ProgressBar() as progress,
    ):
        summary = work(ctx.obj, sections, requests, answers, at_a_time, progress)
    if as_json:
        typer.echo(json.dumps(summary.as_object(), indent=2))
    else:
        note(f"{summary.completed} answered, {summary.failed} failed, {summary.skipped} had an answer already")
        note(f"{summary.completion_tokens} tokens in {summary.seconds:.1f} s, {summary.tokens_per_second:.1f} a second")
    if summary.interrupted:
        note(f"interrupted; go on with: mistralrs batch {source} {target} --resume")
        raise typer.Exit(130)
    if summary.failed:
        raise typer.Exit(1)
