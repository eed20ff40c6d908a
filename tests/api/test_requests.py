"""One validator for everything a client sends: what it takes, what it refuses, and which field it names."""

from __future__ import annotations

from typing import Any

import pytest

from mistralrs.api.requests import ChatMessage, ChatRequest, parse
from mistralrs.errors import RequestError

USER = {"role": "user", "content": "hi"}
CALL = {"id": "1", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("values", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [USER], "mesages": []}, "mesages"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0"),
        ({"messages": [USER, {"role": "user", "content": 3}]}, "messages.1.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{**USER, "tool_calls": [CALL]}]}, "messages.0"),
        ({"messages": [USER], "sampling": {"temperature": "hot"}}, "sampling.temperature"),
        ({"messages": [USER], "sampling": {"temperature": True}}, "sampling.temperature"),
        ({"messages": [USER], "sampling": {"top_k": 1.5}}, "sampling.top_k"),
        ({"messages": [USER], "enable_thinking": "yes"}, "enable_thinking"),
        ({"messages": [USER], "reasoning_effort": "heroic"}, "reasoning_effort"),
        ({"messages": [USER], "template_inputs": {str(i): i for i in range(100)}}, "template_inputs"),
        ({"messages": [{"role": "user", "content": "a" * (9 << 20)}]}, ""),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, ""),
        ({"messages": [USER] * 10_001}, "messages"),
    ],
)
def test_bad_requests_name_the_field(values: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(ChatRequest, values)
    assert caught.value.param.startswith(param)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


def test_messages_become_what_templates_know() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert parse(ChatMessage, {"role": "developer", "content": parts}).for_template() == {
        "role": "system",
        "content": "a\nb",
    }
    message = parse(ChatMessage, {"role": "assistant", "tool_calls": [CALL]}).for_template()
    assert message["content"] == ""
    assert message["tool_calls"][0]["function"]["name"] == "f"


def test_template_inputs() -> None:
    request = parse(ChatRequest, {"messages": [USER], "enable_thinking": False, "template_inputs": {"a": 1}})
    assert request.inputs() == {"a": 1, "enable_thinking": False}
