"""The command line of ``mistralrs completions``."""

from __future__ import annotations

from typing import Annotated

import typer

from mistralrs.cli.main import COMPLETE_VARIABLE
from mistralrs.errors import UsageError

PROGRAM = "mistralrs"
SHELLS = ("bash", "zsh", "fish", "powershell")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def completions(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help=f"One of {', '.join(SHELLS)}.")],
) -> None:
    """Print the script that makes a shell complete commands and options.

    For bash: mistralrs completions bash > ~/.local/share/bash-completion/completions/mistralrs
    """
    if shell not in SHELLS:
        raise UsageError(f"there are no completions for {shell!r}", f"one of {', '.join(SHELLS)}")
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # imported there, not declared

    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, shell=shell))
