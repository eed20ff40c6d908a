"""Who has another key learns nothing from the prefix cache."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mistralrs_plugins.frontends.serve.guard import KeyRing
from tests.serve.running import RunningServer, scripted

PROMPT = "a prompt that is longer than a few blocks of the cache: " + "x" * 100


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningServer]:
    with scripted(api_key=["key-one", "key-two"]) as server:
        server.key = "key-one"
        yield server.wait_ready()


def cached(server: RunningServer, text: str, key: str = "key-one", **fields: object) -> int:
    """Tokens of the prompt that did not have to be computed."""
    body = {"prompt": text, "max_tokens": 1, **fields}
    reply = server.post("/v1/completions", body, authorization=f"Bearer {key}")
    return int(reply.json["usage"]["prompt_tokens_details"]["cached_tokens"])


def test_keys_do_not_share_cached_prompts(shared: RunningServer) -> None:
    assert cached(shared, PROMPT) == 0
    assert cached(shared, PROMPT) > 0
    assert cached(shared, PROMPT, "key-two") == 0
    assert cached(shared, PROMPT, "key-two") > 0


def test_a_salt_separates_further(shared: RunningServer) -> None:
    text = "another: " + PROMPT
    assert cached(shared, text) == 0
    assert cached(shared, text, cache_salt="tenant") == 0
    assert cached(shared, text, cache_salt="tenant") > 0
    assert cached(shared, text, "key-two", cache_salt="tenant") == 0
    for wrong in ("", 3, "x" * 1000):
        reply = shared.post("/v1/completions", {"prompt": "x", "cache_salt": wrong})
        assert (reply.status, reply.error["param"]) == (400, "cache_salt")


def test_a_name_says_nothing_about_its_key() -> None:
    ring, other = KeyRing(["key-one"]), KeyRing(["key-one"])
    assert ring.tenant(b"key-one") == ring.tenant(b"key-one") != ring.tenant(b"key-two")
    assert ring.tenant(b"key-one") != other.tenant(b"key-one")
