"""Answers one prompt: the answer goes to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys

import typer

from mistralrs.cli.console import note
from mistralrs_plugins.frontends.run.conversation import Conversation
from mistralrs_plugins.frontends.run.output import stream
from mistralrs_plugins.frontends.run.stats import as_object, stats_block


def answer_once(conversation: Conversation, prompt: str, *, as_json: bool, load_seconds: float) -> None:
    """Print the answer to ``prompt`` and what it cost; ``as_json`` prints one JSON object and nothing else."""
    try:
        with conversation.ask(prompt) as answer:
            if as_json:
                for _ in answer:
                    pass
                print(json.dumps(as_object(answer, conversation.model_id, load_seconds), ensure_ascii=False))
                sys.stdout.flush()
            else:
                stream(answer)
    except BrokenPipeError:
        _leave_pipe()
    if not as_json:
        note(f"\n{stats_block(answer, conversation)}")


def _leave_pipe() -> None:
    """The reader has gone, as ``| head -1`` does: end quietly, without an error when Python flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(1)
