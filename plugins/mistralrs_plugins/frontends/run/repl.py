"""The interactive chat: line editing, history and completion by prompt_toolkit, answers printed as they come."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_config_dir
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from mistralrs.cli.console import note, print_error
from mistralrs.errors import MistralrsError
from mistralrs_plugins.frontends.run.commands import COMMANDS, Leave, execute, help_text
from mistralrs_plugins.frontends.run.conversation import Conversation
from mistralrs_plugins.frontends.run.output import stream
from mistralrs_plugins.frontends.run.stats import sampling_line, stats_block

PROMPT = "> "
RULE = "=" * 20


def chat(conversation: Conversation) -> None:
    """Read and answer until the user leaves. Ctrl-C stops an answer; at the prompt it raises KeyboardInterrupt."""
    print(banner(conversation))
    session: PromptSession[str] = PromptSession(
        history=open_history(), completer=CommandCompleter(), reserve_space_for_menu=len(COMMANDS)
    )
    while True:
        try:
            line = session.prompt(PROMPT)
            respond(conversation, line)
        except (EOFError, Leave):
            return
        except MistralrsError as error:
            print_error(error.message, error.hint)


def respond(conversation: Conversation, line: str) -> None:
    """Run a command, or answer anything else. Raises :class:`Leave` when the user wants to go."""
    if not line.strip():
        return
    if line.startswith("/"):
        print(execute(conversation, line))
        return
    answer = None
    try:
        with conversation.ask(line) as answer:
            stream(answer)
    except KeyboardInterrupt:
        print("\n(stopped)")
    if answer is not None:
        print(f"\n{stats_block(answer, conversation)}\n")


def banner(conversation: Conversation) -> str:
    """What the user sees first."""
    about = f"Chat with {conversation.model_id}. Ctrl-C stops an answer, and leaves at the prompt."
    return "\n".join([RULE, about, "", help_text(), "", sampling_line(conversation.sampling), RULE])


class CommandCompleter(Completer):
    """Completes the names of slash commands."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """The commands that begin with the line so far."""
        line = document.text_before_cursor
        if line.startswith("/"):
            for command in COMMANDS.values():
                if command.name.startswith(line):
                    yield Completion(command.name, -len(line), display_meta=command.summary)


def open_history() -> History:
    """Earlier prompts, in a file that only its owner can read; in memory only where that cannot be written."""
    path = Path(user_config_dir("mistralrs")) / "history.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        note(f"prompts are not kept: cannot write {path}: {error.strerror}")
        return InMemoryHistory()
    return FileHistory(str(path))
