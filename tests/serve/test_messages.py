"""Anthropic's interface, through its package and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.serve.running import RunningServer

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def client(shared_server: RunningServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=shared_server.root, api_key="any", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def ask(client: anthropic.Anthropic, messages: Any = HELLO, **fields: Any) -> Any:
    fields = {"model": "scripted", "max_tokens": 8, **fields}
    return client.messages.create(messages=messages, extra_body={"temperature": 0}, **fields)


def test_a_whole_message(client: anthropic.Anthropic, server: RunningServer) -> None:
    message = ask(client, system=[{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}])
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "max_tokens")
    assert len(message.content[0].text) == 8
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens == 8


def test_it_is_the_answer_of_the_other_interface(client: anthropic.Anthropic, server: RunningServer) -> None:
    assert ask(client).content[0].text == server.chat("hello").json["choices"][0]["message"]["content"]


def test_streams_end_as_they_must(client: anthropic.Anthropic, server: RunningServer) -> None:
    whole = ask(client).content[0].text
    fields: dict[str, Any] = {"model": "scripted", "max_tokens": 8, "messages": HELLO}
    with client.messages.stream(**fields, extra_body={"temperature": 0}) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_text() == whole
        assert stream.get_final_message().usage.output_tokens == 8
    told = [kind for kind in kinds if kind not in ("text", "content_block_delta")]
    assert told == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]


def test_reasons_of_the_end(client: anthropic.Anthropic, server: RunningServer) -> None:
    assert ask(client, [{"role": "user", "content": "$"}]).stop_reason == "end_turn"
    whole = ask(client).content[0].text
    stopped = ask(client, stop_sequences=[whole[3:5]])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", whole[3:5])


def test_counting_tokens(client: anthropic.Anthropic, server: RunningServer) -> None:
    fields: dict[str, Any] = {"model": "scripted", "messages": HELLO, "system": "be brief"}
    count = client.messages.count_tokens(**fields).input_tokens
    assert count == len("system: be brief\nuser: hello\n#") - 3  # the tokenizer has "hell" as one token


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, "image"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]}]}, "tool calling"),
        ({"tools": [{"name": "x", "input_schema": {}}]}, "tools"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking"),
        ({"temperature": -1}, "temperature"),
        ({"wrong": 1}, "wrong"),
    ],
)
def test_refusals_have_their_shape(server: RunningServer, fields: dict[str, Any], text: str) -> None:
    reply = server.post("/v1/messages", {"messages": HELLO, "max_tokens": 8, **fields})
    assert reply.status == 400
    assert reply.json["type"] == "error"
    assert reply.error["type"] == "invalid_request_error"
    assert text in reply.error["message"]


def test_the_package_raises_its_errors(client: anthropic.Anthropic, server: RunningServer) -> None:
    with pytest.raises(anthropic.NotFoundError):
        ask(client, model="other")
    stream = client.messages.create(
        model="scripted", max_tokens=9, messages=[{"role": "user", "content": "^"}], stream=True
    )
    with pytest.raises(anthropic.APIStatusError, match="not finite"):
        list(stream)
