"""The slash commands of the interactive mode."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from mistralrs.errors import UsageError
from mistralrs_plugins.frontends.run.conversation import Conversation
from mistralrs_plugins.frontends.run.stats import sampling_line

WHOLE_NUMBER = re.compile("[1-9][0-9]{0,8}")


class Leave(Exception):
    """The user wants to go."""


@dataclass(frozen=True)
class Command:
    """One command. ``run`` gets the conversation and what follows the name, and returns what to print."""

    name: str
    usage: str
    summary: str
    run: Callable[[Conversation, str], str]


def execute(conversation: Conversation, line: str) -> str:
    """Run the command in ``line`` and return what to print. Raises :class:`UsageError`, or :class:`Leave`."""
    name, _, argument = line.strip().partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        raise UsageError(f"there is no command {name}", "/help lists them")
    return command.run(conversation, argument.strip())


def help_text() -> str:
    """All commands with what they do."""
    width = max(len(command.usage) for command in COMMANDS.values())
    return "\n".join(f"{command.usage.ljust(width)}  {command.summary}" for command in COMMANDS.values())


def _help(conversation: Conversation, argument: str) -> str:
    return help_text()


def _exit(conversation: Conversation, argument: str) -> str:
    raise Leave


def _system(conversation: Conversation, argument: str) -> str:
    if not argument:
        raise UsageError("/system needs a message", "/system You answer in rhymes")
    conversation.system = argument
    return "The system message is set."


def _clear(conversation: Conversation, argument: str) -> str:
    conversation.clear()
    return "The conversation is cleared."


def _temperature(conversation: Conversation, argument: str) -> str:
    return _set(conversation, "temperature", _number(argument, "/temperature", 0.0, 2.0))


def _top_p(conversation: Conversation, argument: str) -> str:
    value = _number(argument, "/topp", 0.0, 1.0)
    if value == 0.0:
        raise UsageError("/topp takes a number above 0 and up to 1")
    return _set(conversation, "top_p", value)


def _top_k(conversation: Conversation, argument: str) -> str:
    if not WHOLE_NUMBER.fullmatch(argument):
        raise UsageError("/topk takes a whole number above 0")
    return _set(conversation, "top_k", int(argument))


def _number(text: str, name: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UsageError(f"{name} takes a number from {low:g} to {high:g}")
    return value


def _set(conversation: Conversation, name: str, value: float) -> str:
    conversation.settings.sampling[name] = value
    return sampling_line(conversation.sampling)


COMMANDS = {
    command.name: command
    for command in (
        Command("/help", "/help", "Show this list.", _help),
        Command("/exit", "/exit", "Leave, as Ctrl-D does.", _exit),
        Command("/system", "/system MESSAGE", "Set the system message.", _system),
        Command("/clear", "/clear", "Forget the conversation, but not the system message.", _clear),
        Command("/temperature", "/temperature T", "Randomness from 0 (greedy) to 2.", _temperature),
        Command("/topk", "/topk K", "Sample from the K likeliest tokens only.", _top_k),
        Command("/topp", "/topp P", "Sample from the likeliest tokens that make up P of 1.", _top_p),
    )
}
