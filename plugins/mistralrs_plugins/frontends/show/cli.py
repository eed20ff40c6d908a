"""The command line of ``mistralrs show``. What the files' headers say is printed before torch is imported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mistralrs.cli.console import ProgressBar
from mistralrs.cli.options import Sections, some_options
from mistralrs.errors import UsageError

if TYPE_CHECKING:
    from mistralrs.cli.context import CliContext
    from mistralrs.config.model import ModelSelection
    from mistralrs.loading.inspect import Inspected

# Which files the model is made of; how it would run does not matter.
FILES = (
    "model_id",
    "revision",
    "tokenizer",
    "arch",
    "format",
    "quantized_file",
    "tok_model_id",
    "gqa",
    "hf_cache",
    "chat_template",
    "jinja_explicit",
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@some_options(only=FILES)
def show(
    *,
    ctx: typer.Context,
    sections: Sections,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", show_default=False, help="The model, as after -m.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
) -> None:
    """Show a model: architecture, context, parameters, tensors, tokenizer, chat template, licence, memory."""
    selection = _selected(sections.model, model)
    from mistralrs_plugins.frontends.show.facts import gather
    from mistralrs_plugins.frontends.show.report import print_facts, print_size

    context: CliContext = ctx.obj
    with ProgressBar() as progress:
        inspected, selection = _inspect(context, selection, progress)
    facts = gather(context.host, inspected, selection)
    if not as_json:
        print_facts(facts)
    from mistralrs_plugins.frontends.show.size import size_of

    size = size_of(context.host, inspected)
    if as_json:
        typer.echo(json.dumps({**facts, **size}, indent=2))
    else:
        print_size(size)


def _selected(selection: ModelSelection, model: str | None) -> ModelSelection:
    if model is None:
        return selection
    if selection.model_id is not None:
        raise UsageError("the model is given twice", "give it alone or after -m")
    return selection.model_copy(update={"model_id": model})


def _inspect(context: CliContext, selection: ModelSelection, progress: ProgressBar) -> tuple[Inspected, ModelSelection]:
    from mistralrs.loading.inspect import inspect
    from mistralrs.loading.locate import locate
    from mistralrs.loading.presets import with_presets

    selection = with_presets(context.policy, selection)
    return inspect(context.host, locate(context.host, selection, progress), selection), selection
