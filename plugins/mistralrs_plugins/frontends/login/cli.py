"""The command line of ``mistralrs login``. The token is never printed, and no part of any message."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from mistralrs.cli.console import note
from mistralrs.errors import MistralrsError, SourceError, UsageError

TOKEN = re.compile("hf_[A-Za-z0-9_-]{1,1000}")
MAX_CHARS = 4096

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def login(
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="Others can see the command line: prefer standard input, or being asked."),
    ] = None,
) -> None:
    """Save a Hugging Face token where all tools look for it; the hub is asked whether it is good."""
    given = _ask() if token is None else token
    given = given.strip()
    if not TOKEN.fullmatch(given):
        raise UsageError(
            "that is no access token: one begins with hf_ and is a single word",
            "make one at https://huggingface.co/settings/tokens",
        )
    typer.echo(f"the token is saved in {save(given)}")


def _ask() -> str:
    """The token from standard input, or from a person, without showing it."""
    if not sys.stdin.isatty():
        return sys.stdin.read(MAX_CHARS)
    note("Make a token at https://huggingface.co/settings/tokens")
    return str(typer.prompt("Token (not shown)", hide_input=True, err=True))


def save(token: str) -> str:
    """Let huggingface_hub check and keep the token; returns the file.

    Raises :class:`UsageError` for a token that the hub refuses, :class:`SourceError` when the hub does not answer.
    """
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    try:
        huggingface_hub.login(token=token, add_to_git_credential=False, skip_if_logged_in=False)
    except HfHubHTTPError as error:
        raise _refusal(error.response.status_code, constants.ENDPOINT) from None
    except ValueError:
        raise UsageError("the hub refuses this token", "use a token of a person, not of an organization") from None
    except OSError as error:  # the disk
        raise SourceError(f"cannot save the token in {constants.HF_TOKEN_PATH}: {error.strerror}") from None
    except Exception:
        # The HTTP client's own errors, whose class depends on the hub's release. Their text could hold headers.
        raise SourceError(
            f"{constants.ENDPOINT} does not answer, so the token is not checked and not saved",
            "without a network, set the variable HF_TOKEN instead",
        ) from None
    return str(constants.HF_TOKEN_PATH)


def _refusal(status: int, endpoint: str) -> MistralrsError:
    if status in (401, 403):
        return UsageError(f"{endpoint} refuses this token", "it may be mistyped, expired or revoked")
    return SourceError(f"{endpoint} answers with status {status}, so the token is not saved", "try again later")
