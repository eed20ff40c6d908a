"""What the server says about itself: the page of its routes, the machine, and what is wrong."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from mistralrs_plugins.frontends.serve.docs.page import kind_of, page
from mistralrs_plugins.frontends.serve.routers.system import without_paths
from tests.serve.running import LEAKS, RunningServer


class Reader(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]


def test_the_page_of_all_routes_needs_nobody_else(server: RunningServer) -> None:
    reply = server.get("/docs")
    assert reply.status == 200
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    text = reply.body.decode()
    reader = Reader()
    reader.feed(text)
    assert "script" not in reader.tags
    assert all(source.startswith("/") and server.get(source).status == 200 for source in reader.sources)
    for path in server.get("/api-doc/openapi.json").json["paths"]:
        assert f"<code>{path}</code>" in text
    assert "dry_multiplier" in text


def test_a_page_escapes_what_is_in_it() -> None:
    evil = "<script>alert(1)</script>"
    operation = {"summary": evil, "description": evil, "responses": {"200": {"description": evil}}}
    text = page({"info": {"title": evil, "version": evil}, "paths": {f"/{evil}": {"get": operation}}})
    assert "<script>" not in text


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "string"}, "string"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/X"}}, "list of X"),
        ({"enum": ["a", "b"]}, "'a', 'b'"),
        ({}, "any"),
    ],
)
def test_types_in_a_few_words(schema: dict[str, object], shown: str) -> None:
    assert kind_of(schema) == shown


def test_the_machine_and_the_models(server: RunningServer) -> None:
    reply = server.get("/v1/system/info")
    assert reply.status == 200
    found = reply.json
    assert found["environment"]["memory_bytes"] > 0
    assert found["installation"]["version"]
    assert [model["model_id"] for model in found["models"]] == ["scripted"]
    assert found["models"][0]["status"] == "loaded"
    assert found["models"][0]["memory_bytes"] > 0
    assert not LEAKS.search(reply.body.decode())


def test_what_is_wrong(server: RunningServer) -> None:
    reply = server.post("/v1/system/doctor", {})
    assert reply.status == 200
    assert reply.json["status"] in ("ok", "warning", "error")
    assert {"level", "subject", "problem", "fix"} == set(reply.json["checks"][0])
    assert not LEAKS.search(reply.body.decode())


def test_paths_are_not_told() -> None:
    told = without_paths({"path": "/a/b", "fix": ["see /home/me/x.txt, or https://hub.example/a/b"], "n": 1})
    assert told == {"fix": ["see (path), or https://hub.example/a/b"], "n": 1}
    assert re.fullmatch(r"pip install -e \(path\)", without_paths("pip install -e /work/it"))
