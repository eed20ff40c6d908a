"""The Responses interface, through the openai package and by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from mistralrs.api.requests import ChatMessage
from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.responses.store import ResponseStore, Stored
from tests.serve.running import RunningServer, scripted
from tests.waiting import wait_until

PATH = "/v1/responses"
LONG = "`"
"""A mark in a prompt: 0.4 s a token."""
SOON = 50.0
"""Seconds, in which no answer of 200 tokens to LONG ends by itself."""


@pytest.fixture(scope="module")
def client(shared_server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{shared_server.root}/v1", api_key="any", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def ask(client: openai.OpenAI, text: Any = "hello", **fields: Any) -> Any:
    fields = {"model": "scripted", "temperature": 0, "max_output_tokens": 8, **fields}
    return client.responses.create(input=text, **fields)


def test_a_whole_response(client: openai.OpenAI, server: RunningServer) -> None:
    response = ask(client, metadata={"a": "b"}, user="somebody")
    assert response.object == "response"
    assert response.id.startswith("resp_")
    assert len(response.output_text) == 8
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.usage.output_tokens == 8
    assert response.usage.total_tokens == response.usage.input_tokens + 8
    assert response.metadata == {"a": "b"}
    assert response.output[0].status == "incomplete"
    ended = ask(client, "$", max_output_tokens=50)
    assert (ended.status, len(ended.output_text)) == ("completed", 2)


def test_it_says_what_a_chat_says(client: openai.OpenAI, server: RunningServer) -> None:
    chat = server.chat("hello").json["choices"][0]["message"]["content"]
    assert ask(client).output_text == chat
    parts = [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}]
    assert ask(client, parts).output_text == chat
    told = server.post(
        "/v1/chat/completions",
        {
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
            **{"temperature": 0, "max_tokens": 8},
        },
    ).json["choices"][0]["message"]["content"]
    assert ask(client, instructions="be brief").output_text == told


def test_a_stream_of_events(client: openai.OpenAI, server: RunningServer) -> None:
    whole = ask(client)
    events = list(ask(client, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        *("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added")
    ]
    assert set(kinds[4:-4]) == {"response.output_text.delta"}
    assert kinds[-4:] == [
        *("response.output_text.done", "response.content_part.done", "response.output_item.done"),
        "response.incomplete",
    ]
    assert "".join(event.delta for event in events[4:-4]) == whole.output_text == events[-4].text
    assert events[-1].response.output_text == whole.output_text
    assert client.responses.retrieve(events[-1].response.id).output_text == whole.output_text
    assert list(ask(client, "$", stream=True, max_output_tokens=50))[-1].type == "response.completed"


def test_the_helpers_of_the_package_read_the_stream(client: openai.OpenAI, server: RunningServer) -> None:
    with client.responses.stream(model="scripted", input="$", temperature=0) as stream:
        assert len([event for event in stream if event.type == "response.output_text.delta"]) >= 1
        assert len(stream.get_final_response().output_text) == 2


def test_log_probabilities(client: openai.OpenAI, server: RunningServer) -> None:
    for fields in ({"top_logprobs": 2}, {"include": ["message.output_text.logprobs"]}):
        logprobs = ask(client, **fields).output[0].content[0].logprobs
        assert len(logprobs) == 8
        assert len(logprobs[0].top_logprobs) == fields.get("top_logprobs", 0)
        assert all(entry.logprob <= 0 for entry in logprobs)
    assert ask(client).output[0].content[0].logprobs == []


def test_a_conversation_goes_on(client: openai.OpenAI, server: RunningServer) -> None:
    first = ask(client, "one", instructions="only here")
    second = ask(client, "two", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "two"},
    ]
    body = {"messages": messages, "temperature": 0, "max_tokens": 8}
    assert server.post("/v1/chat/completions", body).json["choices"][0]["message"]["content"] == second.output_text
    by_hand = [*({"role": "user", "content": "one"},), *[item.to_dict() for item in first.output], messages[2]]
    assert ask(client, by_hand).output_text == second.output_text
    third = ask(client, "three", previous_response_id=second.id)
    assert third.usage.input_tokens > second.usage.input_tokens


def test_responses_are_kept_listed_and_forgotten(client: openai.OpenAI, server: RunningServer) -> None:
    made = ask(client, [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])
    assert client.responses.retrieve(made.id).to_dict() == made.to_dict()
    items = client.responses.input_items.list(made.id, order="asc", limit=1)
    assert [item.content[0].text for item in items.data] == ["a"]
    assert items.has_more
    assert [item.content[0].text for item in items] == ["a", "b"]  # the package turns the pages
    client.responses.delete(made.id)
    for missing in (made.id, "resp_nothing", "x" * 5000):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(missing)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(ask(client, store=False).id)


def test_responses_in_the_background(client: openai.OpenAI, server: RunningServer) -> None:
    begun = ask(client, LONG, background=True, max_output_tokens=200)
    assert (begun.status, begun.background, begun.output) == ("in_progress", True, [])
    with pytest.raises(openai.BadRequestError, match="in_progress"):
        ask(client, "x", previous_response_id=begun.id)
    client.responses.cancel(begun.id)
    begun = ask(client, "~", background=True, max_output_tokens=20)
    wait_until(lambda: client.responses.retrieve(begun.id).status != "in_progress")
    found = client.responses.retrieve(begun.id)
    assert (found.status, len(found.output_text)) == ("incomplete", 20)
    assert client.responses.cancel(begun.id).status == "incomplete"


def test_a_response_in_the_background_can_be_stopped(client: openai.OpenAI, server: RunningServer) -> None:
    begun = ask(client, LONG, background=True, max_output_tokens=200)
    cancelled = client.responses.cancel(begun.id)
    assert cancelled.status == "cancelled"
    assert client.responses.retrieve(begun.id).status == "cancelled"
    other = ask(client, LONG, background=True, max_output_tokens=200)
    client.responses.delete(other.id)
    server.wait_idle(SOON)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(other.id)
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(ask(client).id)


def test_a_stream_is_left_and_taken_up_again(client: openai.OpenAI, server: RunningServer) -> None:
    """Whoever follows a response in the background may go and come back; each event is seen once, in order."""
    whole = ask(client, "~", max_output_tokens=20).output_text
    with ask(client, "~", background=True, stream=True, max_output_tokens=20) as stream:
        seen = [next(stream) for _ in range(6)]
    name = seen[0].response.id
    assert seen[0].response.background
    again = client.responses.retrieve(name, stream=True, starting_after=seen[-1].sequence_number)
    seen += list(again)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert "".join(event.delta for event in seen if event.type == "response.output_text.delta") == whole
    assert seen[-1].type == "response.incomplete"
    assert seen[-1].response.to_dict() == client.responses.retrieve(name).to_dict()
    assert list(client.responses.retrieve(name, stream=True)) == seen
    assert list(client.responses.retrieve(name, stream=True, starting_after=seen[-1].sequence_number)) == []
    assert list(client.responses.retrieve(name, stream=True, starting_after=999_999_999)) == []


def test_a_stream_that_is_stopped_says_so_to_all_who_follow(client: openai.OpenAI, server: RunningServer) -> None:
    with ask(client, LONG, background=True, stream=True, max_output_tokens=200) as stream:
        name = next(stream).response.id
        other = client.responses.retrieve(name, stream=True, starting_after=0)
        client.responses.cancel(name)
        for follower in (stream, other):
            *_, last = follower
            assert (last.type, last.response.status) == ("response.failed", "cancelled")
    *_, last = ask(client, "^", background=True, stream=True)
    assert (last.type, last.response.error.code) == ("response.failed", "server_error")


@pytest.mark.parametrize("query", ["starting_after=x", "starting_after=-2", "starting_after=" + "9" * 5000])
def test_places_in_a_stream_that_cannot_be(server: RunningServer, query: str) -> None:
    made = server.post(PATH, {"input": "x", "max_output_tokens": 1, "background": True, "stream": True})
    name = json.loads(made.body.split(b"data: ")[1].split(b"\n")[0])["response"]["id"]
    reply = server.get(f"{PATH}/{name}?stream=true&{query}")
    assert (reply.status, reply.error["param"]) == (400, "starting_after")
    plain = server.post(PATH, {"input": "x", "max_output_tokens": 1}).json["id"]
    reply = server.get(f"{PATH}/{plain}?stream=true")
    assert (reply.status, reply.error["param"]) == (400, "stream")


def test_failures(client: openai.OpenAI, server: RunningServer) -> None:
    with pytest.raises(openai.InternalServerError):
        ask(client, "^")
    *_, last = ask(client, "^", stream=True)
    assert (last.type, last.response.status, last.response.error.code) == (
        *("response.failed", "failed"),
        "server_error",
    )
    begun = ask(client, "^", background=True)
    wait_until(lambda: client.responses.retrieve(begun.id).status != "in_progress")
    found = client.responses.retrieve(begun.id)
    assert (found.status, found.error.code) == ("failed", "server_error")


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": []}, "input", "invalid_request"),
        ({"input": None}, "input", "invalid_request"),
        ({"input": [3]}, "input.0", "invalid_request"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role", "invalid_request"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input.0.type", "not_supported"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            *("input.0.content.0.type", "not_supported"),
        ),
        ({"tools": [{"type": "web_search"}]}, "tools", "not_supported"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format", "not_supported"),
        ({"text": {"shape": 1}}, "text.shape", "invalid_request"),
        ({"include": ["file_search_call.results"]}, "include.0", "not_supported"),
        ({"background": True, "store": False}, "background", "invalid_request"),
        ({"previous_response_id": "resp_none"}, "previous_response_id", "previous_response_not_found"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_request"),
        ({"max_tool_calls": 3}, "max_tool_calls", "not_supported"),
        ({"conversation": "c"}, "conversation", "not_supported"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "invalid_request"),
        ({"nonsense": 1}, "nonsense", "invalid_request"),
        ({"input": "x" * 2000}, "prompt", "context_length_exceeded"),
    ],
)
def test_the_field_that_is_wrong_is_named(server: RunningServer, fields: Any, param: str, code: str) -> None:
    reply = server.post(PATH, {"input": "x", **fields})
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, param, code)


def test_what_asks_for_nothing_is_taken(server: RunningServer) -> None:
    nothing = {
        **{"tools": [], "tool_choice": "auto", "parallel_tool_calls": False, "reasoning": {"effort": "low"}},
        **{"text": {"format": {"type": "text"}}, "include": ["reasoning.encrypted_content"], "truncation": "auto"},
        **{"service_tier": "auto", "prompt_cache_key": "k", "seed": 3, "stop": ["never"], "max_output_tokens": 4},
    }
    reply = server.post(PATH, {"input": "x" * 300, **nothing})
    assert reply.status == 200
    assert reply.json["truncation"] == "auto"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "order=up", "after=nothing", "limit=" + "9" * 5000]
)
def test_pages_that_cannot_be(server: RunningServer, query: str) -> None:
    made = server.post(PATH, {"input": "x", "max_output_tokens": 1}).json
    reply = server.get(f"{PATH}/{made['id']}/input_items?{query}")
    assert (reply.status, reply.error["param"]) == (400, query.partition("=")[0])


def test_responses_are_seen_by_their_owner_only(tmp_path: Any) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text("key-two\n")
    with scripted(key="key-one", light=True, api_key_file=str(keys)) as server:
        server.wait_ready()
        made = server.post(PATH, {"input": "x", "max_output_tokens": 2}).json["id"]
        assert server.get(f"{PATH}/{made}").status == 200
        other = {"authorization": "Bearer key-two"}
        assert server.get(f"{PATH}/{made}", **other).status == 404
        assert server.send("DELETE", f"{PATH}/{made}", None, **other).status == 404
        assert server.post(PATH, {"input": "x", "previous_response_id": made}, **other).status == 400
        assert server.post(PATH, {"input": "x", "previous_response_id": made}).status == 200


def _stored(name: str, text: str = "") -> Stored:
    response = {"id": name, "status": "completed"}
    return Stored("me", response, [], (ChatMessage(role="user", content=text),))


def test_the_store_is_bounded_in_number_and_size() -> None:
    store = ResponseStore(max_responses=3, max_bytes=10_000)
    for name in "abc":
        store.put(_stored(name))
    store.get("a", "me")
    store.put(_stored("d"))
    assert store.get("a", "me")
    with pytest.raises(HttpError):
        store.get("b", "me")
    store.put(_stored("big", "x" * 9_950))
    assert len(store) == 1
    store.put(_stored("larger", "x" * 20_000))
    assert len(store) == 0
    with pytest.raises(RequestError, match="forgotten"):
        store.previous("larger", "me")
