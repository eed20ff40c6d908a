"""Slash commands, and what a conversation keeps."""

from __future__ import annotations

from contextlib import suppress

import pytest

from mistralrs.errors import EngineError, MistralrsError, UsageError
from mistralrs_plugins.frontends.run.commands import COMMANDS, Leave, execute
from mistralrs_plugins.frontends.run.conversation import Conversation, Settings
from mistralrs_plugins.frontends.run.repl import banner, respond
from tests.api.fakes import ScriptedLoop, scripted_engine, word_tokenizer


@pytest.fixture
def loop() -> ScriptedLoop:
    return ScriptedLoop(["word"])


@pytest.fixture
def conversation(loop: ScriptedLoop) -> Conversation:
    return Conversation(scripted_engine(loop), Settings(), "scripted")


def ask(conversation: Conversation, text: str) -> str:
    with conversation.ask(text) as answer:
        return "".join(answer)


def prompt_of(loop: ScriptedLoop) -> str:
    return word_tokenizer().decode(list(loop.requests[-1].prompt))


def test_messages_add_up_until_they_are_cleared(conversation: Conversation, loop: ScriptedLoop) -> None:
    execute(conversation, "/system hello again")
    ask(conversation, "hello")
    ask(conversation, "again")
    expected = "[ system ] hello again [ user ] hello [ assistant ] word [ user ] again [ assistant ]"
    assert prompt_of(loop) == expected
    assert (conversation.turns, conversation.cache_hits) == (2, 1)
    execute(conversation, "/clear")
    ask(conversation, "hello")
    assert prompt_of(loop) == "[ system ] hello again [ user ] hello [ assistant ]"


def test_sampling_commands_show_what_is_in_force(conversation: Conversation, loop: ScriptedLoop) -> None:
    assert execute(conversation, "/temperature 0") == "Sampling: temp=0, top_k=40, top_p=0.95, min_p=0.05"
    assert execute(conversation, "/topk 7") == "Sampling: temp=0, top_k=7, top_p=0.95, min_p=0.05"
    assert execute(conversation, "/topp 0.5") == "Sampling: temp=0, top_k=7, top_p=0.5, min_p=0.05"
    ask(conversation, "hello")
    assert loop.requests[0].sampling.top_k == 7


@pytest.mark.parametrize(
    "line",
    [
        "/temperature",
        "/temperature hot",
        "/temperature 2.1",
        "/temperature -1",
        "/temperature nan",
        "/topk 0",
        "/topk -3",
        "/topk 1.5",
        "/topk 99999999999999999999",
        "/topp 0",
        "/topp 1.01",
        "/system",
        "/image x.png",
        "/",
    ],
)
def test_bad_commands_change_nothing(conversation: Conversation, line: str) -> None:
    before = conversation.sampling
    with pytest.raises(UsageError):
        execute(conversation, line)
    assert conversation.sampling == before


def test_help_and_banner_name_every_command(conversation: Conversation) -> None:
    for text in (execute(conversation, "/help"), banner(conversation)):
        assert all(name in text for name in COMMANDS)
    assert banner(conversation).splitlines()[-2] == "Sampling: temp=0.8, top_k=40, top_p=0.95, min_p=0.05"


def test_exit_leaves(conversation: Conversation) -> None:
    with pytest.raises(Leave):
        execute(conversation, "/exit")


def test_a_failed_answer_is_not_remembered(conversation: Conversation, loop: ScriptedLoop) -> None:
    loop.error, loop.pieces = EngineError("full"), []
    with pytest.raises(MistralrsError, match="full"):
        respond(conversation, "hello")
    loop.error, loop.pieces = None, ["word"]
    ask(conversation, "again")
    assert prompt_of(loop) == "[ user ] again [ assistant ]"


def test_an_interrupted_answer_is_remembered(conversation: Conversation, loop: ScriptedLoop) -> None:
    loop.pieces, loop.delay = ["word", " hello"] * 100, 0.01
    with suppress(KeyboardInterrupt), conversation.ask("hello") as answer:
        next(iter(answer))
        raise KeyboardInterrupt
    assert answer.reason == "canceled"
    loop.pieces = []
    ask(conversation, "again")
    assert prompt_of(loop).startswith("[ user ] hello [ assistant ] word")
