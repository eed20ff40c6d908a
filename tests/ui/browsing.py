"""The web page as a person sees it: what is on it by name, and what is done with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.waiting import PATIENCE

expect.set_options(timeout=1000 * PATIENCE)
CHAT = "**/v1/chat/completions"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
VIOLATIONS = "addEventListener('securitypolicyviolation', (event) => violated(event.violatedDirective))"


@dataclass
class Chat:
    """The page, and what has happened in it that nobody sees."""

    page: Page
    root: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Go to the page, or load it again."""
        self.page.goto(f"{self.root}/ui")
        expect(self.input).to_be_visible()

    def close(self) -> None:
        """Leave. Nothing may have gone wrong unseen, and nothing may have left the server."""
        assert not self.errors + self.violations, self.errors + self.violations
        host = urlsplit(self.root).netloc
        foreign = [url for url in self.requests if urlsplit(url).scheme != "blob" and urlsplit(url).netloc != host]
        assert not foreign, foreign

    @property
    def input(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def answers(self) -> Locator:
        return self.page.locator(".message.assistant .markdown")

    @property
    def last_message(self) -> Locator:
        return self.page.locator(".message").last

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def say(self, text: str, *, ends: bool = True) -> None:
        """Send a message; wait for the answer to begin, or for its end if it ``ends``."""
        messages = self.page.locator(".message")
        before = messages.count()
        self.input.fill(text)
        self.input.press("Enter")
        expect(messages).to_have_count(before + 2)
        if ends:
            self.wait_done()

    def wait_done(self) -> None:
        expect(self.last_message.get_by_role("button", name="Retry")).to_be_enabled()

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Poll until ``condition`` holds, letting the browser tell meanwhile what has happened in it."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(20)

    def answer(self, text: str, *, thought: str = "", tool: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Let the server answer with ``text`` from now on. Returns the list to which the requests will be added."""
        asked: list[dict[str, Any]] = []
        deltas: list[dict[str, Any]] = [{"reasoning_content": thought}] if thought else []
        deltas += [{"content": text[at : at + 9]} for at in range(0, len(text), 9)]
        if tool:
            name, *arguments = tool
            deltas += [{"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": name, "arguments": ""}}]}]
            deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in arguments]
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
        events = [*(json.dumps(chunk) for chunk in chunks), "[DONE]"]

        def reply(route: Route) -> None:
            asked.append(route.request.post_data_json)
            body = "".join(f"data: {event}\n\n" for event in events)
            route.fulfill(status=200, content_type="text/event-stream", body=body)

        self.page.unroute(CHAT)
        self.page.route(CHAT, reply)
        return asked

    def models(self, **changes: Any) -> None:
        """Let the server list one model with these fields from now on."""
        card = {"id": "a", "root": "a", "status": "loaded", "max_model_len": 256, **changes}
        cards = [{**card, "id": "default"}, card]
        self.page.route("**/v1/models", lambda route: route.fulfill(json={"object": "list", "data": cards}))


@contextmanager
def chat_in(browser: Browser, root: str, **context: Any) -> Iterator[Chat]:
    """The page in a browser of its own, which must not have gone wrong at the end."""
    opened = browser.new_context(**context)
    page = opened.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    chat = Chat(page, root)
    page.expose_function("violated", lambda directive: chat.violations.append(directive))
    page.add_init_script(VIOLATIONS)
    page.on("request", lambda request: chat.requests.append(request.url))
    page.on("pageerror", lambda error: chat.errors.append(str(error)))
    try:
        chat.open()
        yield chat
        chat.close()
    finally:
        opened.close()
