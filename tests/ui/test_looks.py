"""What the page shows, how, and to whom: themes, phones, keyboards, screen readers, thinking, attachments."""

from __future__ import annotations

import base64
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.serve.running import RunningServer
from tests.ui.browsing import PHONE, Chat, chat_in

UNNAMED = """[...document.querySelectorAll('button, input, select, textarea')].filter((each) =>
  !each.hidden && !each.ariaLabel && !each.textContent.trim() && !each.labels?.length).map((each) => each.outerHTML)"""
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def background(chat: Chat) -> str:
    found: str = chat.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


def test_the_system_chooses_the_theme_until_the_user_does(browser: Browser, letters: RunningServer) -> None:
    with chat_in(browser, letters.root, color_scheme="light") as chat:
        light = background(chat)
        chat.page.emulate_media(color_scheme="dark")
        chat.wait_until(lambda: background(chat) != light)
        dark = background(chat)
        chat.button("Theme: system").click()
        chat.wait_until(lambda: background(chat) == light)
        chat.button("Theme: light").click()
        chat.page.emulate_media(color_scheme="light")
        chat.wait_until(lambda: background(chat) == dark)
        chat.open()
        chat.wait_until(lambda: background(chat) == dark)


def test_a_phone(browser: Browser, letters: RunningServer) -> None:
    with chat_in(browser, letters.root, **PHONE) as chat:
        chat.answer(f"```python\n{'x' * 300}\n```\n\n|{'long |' * 40}\n|{'-|' * 40}\n\n{'y' * 300} $${'z' * 200}$$")
        chat.input.fill("hello")
        chat.button("Send").tap()
        chat.wait_done()
        expect(chat.answers.locator(".katex-display")).to_have_count(1)
        assert chat.page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]
        assert chat.page.evaluate("document.querySelector('.messages').scrollWidth") <= PHONE["viewport"]["width"]
        expect(chat.button("New chat")).to_be_hidden()
        chat.button("Conversations").tap()
        expect(chat.button("New chat")).to_be_visible()
        expect(chat.page.locator(".main")).to_have_attribute("inert", "")
        chat.button("New chat").tap()
        expect(chat.button("New chat")).to_be_hidden()
        expect(chat.answers).to_have_count(0)


def test_everything_can_be_done_by_keyboard(chat: Chat) -> None:
    expect(chat.input).to_be_focused()
    chat.page.keyboard.type("first")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("second")
    chat.page.keyboard.press("Enter")
    expect(chat.page.locator(".bubble .plain")).to_have_text("first\nsecond", use_inner_text=True)
    chat.wait_done()
    chat.page.keyboard.press("Control+Shift+o")
    expect(chat.answers).to_have_count(0)
    expect(chat.input).to_be_focused()
    chat.page.keyboard.press("Control+k")
    expect(chat.page.get_by_role("searchbox")).to_be_focused()
    chat.page.keyboard.press("Tab")
    expect(chat.button("first")).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(chat.answers).to_have_count(1)
    chat.button("Settings").focus()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("dialog", name="Settings")).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(chat.page.get_by_role("dialog")).to_have_count(0)
    expect(chat.button("Settings")).to_be_focused()


def test_everything_has_a_name(chat: Chat) -> None:
    chat.say("question")
    assert chat.page.evaluate(UNNAMED) == []
    for role in ("navigation", "main", "banner", "log"):
        expect(chat.page.get_by_role(role)).to_have_count(1)
    chat.button("Settings").click()
    assert chat.page.evaluate(UNNAMED) == []
    chat.page.keyboard.press("Escape")
    skip = chat.page.get_by_role("link", name="Skip to the message")
    assert skip.evaluate("node => node === document.querySelector('a, button, input, select, textarea')")
    skip.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.input).to_be_focused()


def test_markdown_code_and_maths(chat: Chat) -> None:
    text = (
        "# Title\n\n**bold** `code` $5 and $6\n\n- [x] done\n\n|a|b|\n|-|-:|\n|1|2|\n\n"
        "```py\nreturn None\n```\n\n$$\\frac{1}{2}$$\n\nand \\(\\vec{x}^2\\), $\\boxed{\\pmb{y}}$"
    )
    chat.answer(text)
    chat.say("question")
    answer = chat.answers
    expect(answer.locator("h1")).to_have_text("Title")
    expect(answer.locator("td").last).to_have_css("text-align", re.compile("right"))
    expect(answer.locator(".hljs-keyword")).to_have_text("return")
    expect(answer.locator("math")).to_have_count(3)
    expect(answer.locator(".katex-display")).to_have_count(1)
    assert chat.page.evaluate("document.fonts.load('16px KaTeX_Main').then((faces) => faces.length)") == 1
    expect(answer).to_contain_text("$5 and $6")
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.button("Copy code").click()
    chat.wait_until(lambda: chat.page.evaluate("navigator.clipboard.readText()") == "return None")
    chat.last_message.get_by_role("button", name="Copy", exact=True).click()
    chat.wait_until(lambda: chat.page.evaluate("navigator.clipboard.readText()") == text)


@pytest.mark.parametrize("text", ["<think>hidden depths</think>the answer", "hidden depths</think>\n\nthe answer"])
def test_thinking_is_folded_and_not_sent_back(chat: Chat, text: str) -> None:
    asked = chat.answer(text)
    chat.say("question")
    expect(chat.answers).to_have_text("the answer")
    expect(chat.page.get_by_text("hidden depths")).to_be_hidden()
    chat.page.get_by_text("Thoughts").click()
    expect(chat.page.get_by_text("hidden depths")).to_be_visible()
    chat.say("another")
    assert asked[1]["messages"][1] == {"role": "assistant", "content": "the answer"}


def test_thinking_that_the_server_tells_apart_and_tool_calls(chat: Chat) -> None:
    chat.answer("", thought="deep thought", tool=("weather", '{"city":', ' "Oslo"}'))
    chat.say("question")
    chat.page.get_by_text("Thoughts").click()
    expect(chat.page.get_by_text("deep thought")).to_be_visible()
    chat.page.get_by_text("Tool call: weather").click()
    expect(chat.page.get_by_text('"city": "Oslo"')).to_be_visible()


def test_attachments_only_where_the_model_takes_them(browser: Browser, letters: RunningServer, chat: Chat) -> None:
    expect(chat.page.locator("#attach")).to_have_count(0)
    chat.models(input_modalities=["text", "image"])
    chat.open()
    expect(chat.button("Attach image")).to_be_visible()
    chat.page.locator("#attach").set_input_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": b"RIFF"})
    expect(chat.page.locator(".notice")).to_contain_text("takes no audio/wav")
    chat.page.locator("#attach").set_input_files({"name": "dot.png", "mimeType": "image/png", "buffer": PNG})
    expect(chat.page.get_by_role("img", name="dot.png")).to_be_visible()
    asked = chat.answer("a dot")
    chat.say("what is it?")
    image, text = asked[0]["messages"][0]["content"]
    assert image["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert text == {"type": "text", "text": "what is it?"}
    chat.wait_until(lambda: chat.page.evaluate("document.querySelector('.attached').naturalWidth") == 1)


def test_long_answers_do_not_hold_up_the_reader(chat: Chat) -> None:
    chat.answer("\n\n".join(f"paragraph {number}" for number in range(200)))
    chat.say("question")
    frame = "document.querySelector('.messages')"
    below = f"{frame}.scrollHeight - {frame}.scrollTop - {frame}.clientHeight"
    chat.wait_until(lambda: chat.page.evaluate(below) < 5)
    chat.page.evaluate(f"{frame}.scrollTo(0, 0)")
    chat.button("Go to the end").click()
    expect(chat.button("Go to the end")).to_have_count(0)
