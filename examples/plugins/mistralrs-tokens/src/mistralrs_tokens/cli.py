"""The command. What is slow to import is imported when it runs, so that --help stays quick."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mistralrs.cli.console import ProgressBar
from mistralrs.errors import UsageError

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def tokens(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What to cut.")],
    model_id: Annotated[str | None, typer.Option("-m", "--model-id", metavar="MODEL", help="As in run.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects.")] = False,
) -> None:
    """Show how a model cuts a text into tokens. Loads the tokenizer only, not the weights."""
    from mistralrs.config.model import ModelSelection
    from mistralrs.loading.inspect import inspect
    from mistralrs.loading.locate import locate
    from mistralrs.loading.tokenizer import load_tokenizer

    if not text:
        raise UsageError("there is no text to cut")
    selection = ModelSelection(model_id=model_id, token_source=ctx.obj.token_source)
    with ProgressBar() as progress:
        files = locate(ctx.obj.host, selection, progress)
    inspected = inspect(ctx.obj.host, files, selection)
    encoding = load_tokenizer(ctx.obj.host, files, inspected.checkpoint).encode(text)
    rows = [{"id": index, "token": token} for index, token in zip(encoding.ids, encoding.tokens, strict=True)]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            typer.echo(f"{row['id']:>8}  {row['token']}")
