"""Asking in a real browser: answers as they come, stopping, versions, branches, and what is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.serve.running import RunningServer, scripted
from tests.ui.browsing import Chat, chat_in
from tests.waiting import wait_until

ALPHABET = "abcdefghijklmnopqrstuvwxyz" * 4
SLOW = "~"
"""A mark in a prompt: 20 ms a token, of which there are a hundred. The last one waits for a file."""
KEPT = """() => new Promise((resolve) => {
  const opened = indexedDB.open("mistralrs", 1);
  opened.onsuccess = () => {
    const all = opened.result.transaction("conversations").objectStore("conversations").getAll();
    all.onsuccess = () => resolve(all.result.flatMap((found) => found.messages.map((message) => message.content)));
  };
})"""


def test_an_answer_comes_bit_by_bit(chat: Chat, ending: Path) -> None:
    chat.say(f"{SLOW} hello", ends=False)
    expect(chat.button("Stop")).to_be_visible()
    expect(chat.answers).to_have_text(re.compile(".{5}"))
    assert len(chat.answers.inner_text()) < 100
    ending.touch()
    chat.wait_done()
    assert chat.answers.inner_text() == ALPHABET[:100]
    expect(chat.last_message.locator(".stats")).to_contain_text(re.compile(r"100 tokens .* tok/s"))
    expect(chat.page.locator("[aria-live=polite]")).to_contain_text("The answer is complete")
    assert "hello" in chat.page.title()


def test_stopping_keeps_what_is_there_and_frees_the_engine(chat: Chat, letters: RunningServer) -> None:
    chat.say(f"{SLOW} a long story", ends=False)
    expect(chat.answers).to_have_text(re.compile(".{4}"))
    chat.button("Stop").click()
    chat.wait_done()
    expect(chat.last_message.locator(".stats")).to_contain_text("stopped")
    assert 3 < len(chat.answers.inner_text()) < 100
    letters.wait_idle()
    chat.say(f"{SLOW} again", ends=False)
    expect(chat.button("Stop")).to_be_visible()
    chat.page.keyboard.press("Escape")
    chat.wait_done()
    expect(chat.last_message.locator(".stats")).to_contain_text("stopped")


def test_a_reload_keeps_the_conversation(chat: Chat, ending: Path) -> None:
    chat.say("remember me")
    chat.say(f"{SLOW} cut off", ends=False)
    expect(chat.answers.nth(1)).to_have_text(re.compile(".{50}"))
    chat.wait_until(lambda: sum(text.startswith("abc") for text in chat.page.evaluate(KEPT)) == 2)
    chat.open()
    chat.button("remember me").click()
    expect(chat.page.locator(".bubble")).to_have_text(["remember me", f"{SLOW} cut off"])
    assert chat.answers.first.inner_text() == ALPHABET[:100]
    expect(chat.last_message).to_contain_text("stopped")
    expect(chat.answers.nth(1)).to_have_text(re.compile("^abc"))
    ending.touch()
    chat.say("go on")
    expect(chat.answers).to_have_count(3)


def test_versions_of_answers_and_questions(chat: Chat) -> None:
    first = chat.answer("one")
    chat.say("question")
    chat.answer("two")
    chat.button("Retry").click()
    expect(chat.answers).to_have_text(["two"])
    expect(chat.page.locator(".siblings")).to_contain_text("2/2")
    chat.button("Previous version").click()
    expect(chat.answers).to_have_text(["one"])
    chat.say("further")
    asked = chat.answer("three")
    chat.page.locator(".message.user").first.hover()
    chat.page.get_by_role("button", name="Edit", exact=True).first.click()
    editor = chat.page.get_by_role("textbox", name="Edit the message")
    expect(editor).to_be_focused()
    editor.fill("another question")
    chat.page.locator(".editor").get_by_role("button", name="Send").click()
    expect(chat.answers).to_have_text(["three"])
    assert [message["content"] for message in asked[0]["messages"]] == ["another question"]
    assert [message["content"] for message in first[0]["messages"]] == ["question"]
    chat.page.get_by_role("button", name="Previous version").first.click()
    expect(chat.answers).to_have_text(["one", "two"])


def test_a_branch_is_a_conversation_of_its_own(chat: Chat) -> None:
    chat.answer("one")
    chat.say("question")
    chat.say("further")
    chat.page.get_by_role("button", name="Branch into a new chat").first.click()
    expect(chat.answers).to_have_count(1)
    expect(chat.page.locator(".conversations .title")).to_have_count(2)
    asked = chat.answer("two")
    chat.say("elsewhere")
    assert [message["content"] for message in asked[0]["messages"]] == ["question", "one", "elsewhere"]
    chat.page.locator(".conversations .title").last.click()
    expect(chat.page.locator(".bubble")).to_have_text(["question", "further"])


def test_conversations_leave_and_come_back_as_a_file(chat: Chat, tmp_path: Path) -> None:
    chat.answer("apples and **pears**")
    chat.say("fruit")
    chat.button("New chat").click()
    chat.answer("beans")
    chat.say("vegetables")
    with chat.page.expect_download() as download:
        chat.button("Export all conversations").click()
    file = tmp_path / "exported.json"
    download.value.save_as(file)
    assert len(json.loads(file.read_text())["conversations"]) == 2
    chat.page.on("dialog", lambda dialog: dialog.accept())
    for name in ("fruit", "vegetables"):
        chat.page.get_by_role("listitem").filter(has_text=name).hover()
        chat.button(f"Delete {name}").click()
    expect(chat.page.locator(".conversations .title")).to_have_count(0)
    chat.page.locator("#import").set_input_files(file)
    expect(chat.page.locator(".conversations .title")).to_have_text(["vegetables", "fruit"])
    chat.page.get_by_role("searchbox", name="Search").fill("PEARS apples")
    expect(chat.page.locator(".conversations .title")).to_have_text(["fruit"])
    chat.button("fruit").click()
    expect(chat.answers.locator("strong")).to_have_text("pears")
    chat.open()
    expect(chat.page.locator(".conversations .title")).to_have_count(2)


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        '{"format": "mistralrs-conversations", "version": 9, "conversations": []}',
        '{"format": "mistralrs-conversations", "version": 1, "conversations": [{"messages": [{"role": "root"}]}]}',
        '{"format": "mistralrs-conversations", "version": 1, "conversations": [{"messages": '
        '[{"id": "a", "role": "user", "parent": "b"}, {"id": "b", "role": "user", "parent": "a"}]}]}',
    ],
)
def test_a_file_of_something_else_is_refused(chat: Chat, tmp_path: Path, content: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content)
    chat.page.locator("#import").set_input_files(file)
    expect(chat.page.locator(".notice")).to_contain_text(re.compile("file|Message 1"))
    expect(chat.page.locator(".conversations .title")).to_have_count(0)


def test_settings_are_in_the_request_and_kept(chat: Chat) -> None:
    asked = chat.answer("yes")
    chat.button("Settings").click()
    chat.page.get_by_label("System prompt").fill("Be brief.")
    chat.page.get_by_label("Temperature").fill("0.3")
    chat.page.get_by_label("Longest answer").fill("12")
    chat.page.get_by_label("Stop at").fill("END\nSTOP")
    chat.page.get_by_label("Thinking", exact=True).select_option("off")
    chat.button("Done").click()
    chat.say("question")
    expected = {"temperature": 0.3, "max_tokens": 12, "stop": ["END", "STOP"], "enable_thinking": False}
    assert {name: asked[0].get(name) for name in expected} == expected
    assert asked[0]["messages"][0] == {"role": "system", "content": "Be brief."}
    chat.open()
    chat.button("Settings").click()
    expect(chat.page.get_by_label("Temperature")).to_have_value("0.3")
    chat.button("Leave all to the model").click()
    expect(chat.page.get_by_label("Temperature")).to_have_value("")


def test_the_real_server_takes_every_setting(chat: Chat) -> None:
    chat.button("Settings").click()
    for name in ("Temperature", "Top p", "Top k", "Min p", "Repetition penalty", "Longest answer", "Seed"):
        chat.page.get_by_label(name).fill("1")
    for name in ("Presence penalty", "Frequency penalty"):
        chat.page.get_by_label(name).fill("0")
    chat.page.get_by_label("Thinking", exact=True).select_option("on")
    chat.page.get_by_label("Effort of thinking").select_option("high")
    chat.button("Done").click()
    chat.say("question")
    expect(chat.answers).to_have_text("a")
    expect(chat.last_message).to_contain_text("cut at the longest length")


def test_several_models_and_their_state(chat: Chat, letters: RunningServer) -> None:
    picker = chat.page.get_by_label("Model", exact=True)
    expect(picker.locator("option")).to_have_text(["scripted", "second (unloaded)"])
    picker.select_option("second")
    expect(chat.page.locator(".status")).to_have_text("unloaded")
    chat.button("Load").click()
    expect(chat.page.locator(".status")).to_have_text("loaded")
    chat.say("which are you?")
    expect(chat.last_message.locator(".stats")).to_have_attribute("title", "second")
    chat.button("Unload").click()
    expect(chat.page.locator(".status")).to_have_text("unloaded")
    status = letters.post("/v1/models/status", {"model_id": "second"}).json["status"]
    assert status == "unloaded"


def test_only_models_that_write_text_are_offered(browser: Browser) -> None:
    models = {"task": "embed", "more": {"writer": {}, "ranker": {"task": "score"}}}
    with scripted(models, light=True) as server, chat_in(browser, server.wait_ready().root) as chat:
        expect(chat.page.get_by_label("Model", exact=True).locator("option")).to_have_text(["writer (unloaded)"])
        chat.say("hello")
        expect(chat.answers).to_contain_text("abc")
        chat.models(output_modalities=["embeddings"])
        chat.open()
        expect(chat.page.get_by_role("alert")).to_have_text("This server has no model that writes text.")
        expect(chat.page.get_by_label("Model", exact=True)).to_have_count(0)


def test_what_the_server_refuses_is_told(chat: Chat) -> None:
    chat.page.route(
        "**/v1/chat/completions", lambda route: route.fulfill(status=429, json={"error": {"message": "full"}})
    )
    chat.say("question")
    expect(chat.page.get_by_role("alert")).to_have_text("full")
    chat.answer("now")
    chat.button("Retry").click()
    expect(chat.answers).to_have_text("now")
    chat.page.unroute("**/v1/chat/completions")
    chat.page.route("**/v1/*/**", lambda route: route.abort())
    chat.say("question")
    expect(chat.last_message.get_by_role("alert")).to_have_text("The server cannot be reached.")


@pytest.mark.slow
def test_the_page_is_opened_once_the_model_is_loaded(smollm2_server: RunningServer, opened_page: Path) -> None:
    wait_until(opened_page.exists)
    assert opened_page.read_text().strip() == f"{smollm2_server.root}/ui/"
    assert f"Web page: {smollm2_server.root}/ui/" in smollm2_server.log


@pytest.mark.slow
def test_a_real_model_answers(browser: Browser, smollm2_server: RunningServer) -> None:
    with chat_in(browser, smollm2_server.root) as chat:
        chat.button("Settings").click()
        chat.page.get_by_label("Temperature").fill("0")
        chat.page.get_by_label("Longest answer").fill("24")
        chat.button("Done").click()
        chat.say("What is the capital of France?")
        expect(chat.answers).to_contain_text("Paris")
        chat.open()
        chat.page.locator(".conversations .title").click()
        expect(chat.answers).to_contain_text("Paris")
