"""Text completions, and the text side alone."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.serve.running import RunningServer


def complete(server: RunningServer, prompt: Any, **fields: Any) -> Any:
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 6, **fields}
    return server.post("/v1/completions", body)


def test_the_package_reads_it(server: RunningServer) -> None:
    with openai.OpenAI(base_url=f"{server.root}/v1", api_key="any", _strict_response_validation=True) as client:
        fields: dict[str, Any] = {"model": "scripted", "prompt": "hello", "max_tokens": 6, "temperature": 0}
        whole = client.completions.create(**fields, logprobs=2)
        assert whole.choices[0].finish_reason == "length"
        assert "".join(whole.choices[0].logprobs.tokens) == whole.choices[0].text
        assert whole.choices[0].logprobs.text_offset == [0, 1, 2, 3, 4, 5]
    with openai.OpenAI(
        base_url=f"{server.root}/v1", api_key="any"
    ) as client:  # strict, it wants a reason in each chunk
        streamed = "".join(chunk.choices[0].text for chunk in client.completions.create(**fields, stream=True))
        assert streamed == whole.choices[0].text


def test_prompts_are_texts_or_token_ids_or_several(server: RunningServer) -> None:
    ids = server.post("/tokenize", {"prompt": "hello"}).json["tokens"]
    one = complete(server, "hello").json["choices"][0]["text"]
    assert complete(server, ids).json["choices"][0]["text"] == one
    for several in (["hello", "other"], [ids, ids]):
        choices = complete(server, several, n=2).json["choices"]
        assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
        assert choices[0]["text"] == choices[1]["text"] == one
    usage = complete(server, [ids, ids], n=2).json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (2 * len(ids), 24)


def test_echo_repeats_the_prompt(server: RunningServer) -> None:
    plain = complete(server, "hello").json["choices"][0]["text"]
    assert complete(server, "hello", echo=True).json["choices"][0]["text"] == "hello" + plain
    body = {"prompt": "hello", "echo": True, "temperature": 0, "max_tokens": 6}
    events = list(server.stream(body, "/v1/completions").events())
    assert "".join(json.loads(event)["choices"][0]["text"] for event in events[:-1]) == "hello" + plain


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": []}, "prompt", "invalid_request"),
        ({"prompt": [[]]}, "prompt.0", "invalid_request"),
        ({"prompt": ""}, "prompt", "invalid_request"),
        ({"prompt": [1.5]}, "prompt.0", "invalid_request"),
        ({"prompt": [True]}, "prompt.0", "invalid_request"),
        ({"prompt": [-1]}, "prompt", "invalid_request"),
        ({"prompt": [272]}, "prompt", "invalid_request"),
        ({"prompt": [2**70]}, "prompt", "invalid_request"),
        ({"prompt": [1] * 300}, "prompt", "context_length_exceeded"),
        ({"prompt": ["a"] * 129}, "prompt", "invalid_request"),
        ({"prompt": ["a"] * 100, "n": 100}, "n", "invalid_request"),
        ({"prompt": "a", "suffix": "b"}, "suffix", "not_supported"),
        ({"prompt": "a", "best_of": 2}, "best_of", "not_supported"),
        ({"prompt": "a", "best_of": 1, "n": 2}, "best_of", "invalid_request"),
        ({"prompt": "a", "logprobs": 6}, "logprobs", "invalid_request"),
        ({"prompt": "a", "logprobs": 1, "echo": True}, "echo", "not_supported"),
        ({}, "prompt", "invalid_request"),
    ],
)
def test_what_is_refused_is_named(server: RunningServer, fields: dict[str, Any], param: str, code: str) -> None:
    reply = server.post("/v1/completions", fields)
    assert reply.status == 400
    assert (reply.error["param"], reply.error["code"]) == (param, code)


def test_a_prompt_that_ends_inside_a_character_is_not_repeated(server: RunningServer) -> None:
    half = server.post("/tokenize", {"prompt": "secret \U0001f600"}).json["tokens"][:-1]
    assert "secret" not in complete(server, half).json["choices"][0]["text"]


def test_tokens_and_text(server: RunningServer) -> None:
    found = server.post("/tokenize", {"prompt": "hello \U0001f600", "return_token_strs": True}).json
    assert found["count"] == len(found["tokens"]) == len(found["token_strs"])
    assert found["max_model_len"] == 256
    assert server.post("/detokenize", {"tokens": found["tokens"]}).json == {"prompt": "hello \U0001f600"}
    messages = [{"role": "user", "content": "hi"}]
    assert server.post("/apply-template", {"messages": messages}).json == {"prompt": "user: hi\n#"}
    without = server.post("/apply-template", {"messages": messages, "add_generation_prompt": False})
    assert without.json == {"prompt": "user: hi\n"}
    count = server.post("/tokenize", {"messages": messages}).json["count"]
    assert count == len("user: hi\n#")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "prompt"),
        ("/detokenize", {"tokens": [-1]}, "tokens.0"),
        ("/detokenize", {"tokens": [0, 272]}, "tokens.1"),
        ("/detokenize", {"tokens": "abc"}, "tokens"),
        ("/apply-template", {}, "messages"),
        ("/apply-template", {"messages": [{"role": "user", "content": "a"}], "model": "../x"}, "model"),
    ],
)
def test_the_text_routes_name_what_is_wrong(server: RunningServer, path: str, body: Any, param: str) -> None:
    reply = server.post(path, body)
    assert reply.status in (400, 404)
    assert reply.error["param"] == param
