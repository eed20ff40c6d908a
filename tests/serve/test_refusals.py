"""No mistake of a client gives a 5xx, and every refusal says what was wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.serve.running import RunningServer, chat_body

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "x"}
INTEGERS = ("n", "max_tokens", "max_completion_tokens", "top_k", "seed", "dry_allowed_length")
NUMBERS = (
    *("temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
    *("dry_multiplier", "dry_base"),
)
NONSENSE = ("5", [], {}, True, 10**30, -(2**70))


@pytest.mark.parametrize("field", [*INTEGERS, *NUMBERS])
def test_numbers_must_be_numbers_in_range(server: RunningServer, field: str) -> None:
    for value in (*NONSENSE, *([1.5] if field in INTEGERS else [1e300])):
        reply = server.chat("x", **{field: value})
        assert reply.status == 400, (field, value)
        assert reply.error["param"] == field
    literal = json.dumps(chat_body("x", **{field: "HERE"})).replace('"HERE"', "1e400").encode()
    assert server.post(CHAT, literal).status == 400


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 0}, "n"),
        ({"n": 10**9}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"logprobs": 5}, "logprobs"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a"] * 65}, "stop"),
        ({"stop": [1]}, "stop.0"),
        ({"stop": "x" * 5000}, "stop"),
        ({"logit_bias": {"abc": 1}}, "logit_bias"),
        ({"logit_bias": {"1_0": 1}}, "logit_bias"),
        ({"logit_bias": {"272": 1}}, "logit_bias"),
        ({"logit_bias": {str(2**63): 1}}, "logit_bias"),
        ({"logit_bias": {"1": "x"}}, "logit_bias"),
        ({"dry_sequence_breakers": ["x"] * 100}, "dry_sequence_breakers"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": "yes"}, "stream"),
        ({"enable_thinking": True, "reasoning_effort": "none"}, "reasoning_effort"),
        ({"reasoning_effort": "heroic"}, "reasoning_effort"),
        ({"chat_template_kwargs": {"messages": []}}, "messages"),
        ({"chat_template_kwargs": {"self": 1}}, "self"),
        ({"chat_template_kwargs": {"tools": 1}}, "tools"),
        ({"chat_template_kwargs": []}, "chat_template_kwargs"),
        ({"user": "u" * 1000}, "user"),
        ({"top_kk": 1}, "top_kk"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0"),
        ({"messages": [USER] * 10_001}, "messages"),
        ({"messages": [3]}, "messages.0"),
    ],
)
def test_the_field_is_named(server: RunningServer, fields: dict[str, Any], param: str) -> None:
    reply = server.post(CHAT, {**chat_body("x"), **fields})
    assert reply.status == 400
    assert reply.error["param"] == param
    assert len(reply.error["message"]) < 400


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tool_choice": "required"},
        {"functions": [{}]},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        {"grammar": {"type": "regex", "value": "a"}},
        {"modalities": ["text", "audio"]},
        {"prediction": {}},
        {"store": True},
        {"web_search_options": {}},
        {"session_id": "s"},
        {"chat_template": "{{ 1 }}"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
    ],
)
def test_features_that_are_not_there_are_refused_by_name(server: RunningServer, fields: dict[str, Any]) -> None:
    reply = server.post(CHAT, {**chat_body("x"), **fields})
    assert (reply.status, reply.error["code"]) == (400, "not_supported")
    assert reply.error["param"].startswith(next(iter(fields)))


def test_fields_that_ask_for_nothing_are_taken(server: RunningServer) -> None:
    nothing = {
        **{"tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "store": False, "seed": None},
        **{"user": "u", "metadata": {"a": "b"}, "parallel_tool_calls": True, "modalities": ["text"], "stop": None},
        **{"service_tier": "auto", "logit_bias": {}, "stream_options": None, "reasoning_effort": None},
    }
    assert server.chat("x", **nothing).status == 200


def test_every_sampling_extra_is_taken(server: RunningServer) -> None:
    extras = {
        **{"temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.01, "repetition_penalty": 1.1, "seed": 2**63},
        **{"presence_penalty": 0.5, "frequency_penalty": 0.5, "logit_bias": {"5": -100}, "dry_multiplier": 0.8},
        **{"dry_base": 1.75, "dry_allowed_length": 2, "dry_sequence_breakers": ["\n"], "stop_token_ids": [4]},
        **{"ignore_eos": True, "truncate_sequence": True, "enable_thinking": False, "reasoning_effort": "off"},
        **{"chat_template_kwargs": {"custom": 1}, "metadata": {"a": "b"}},
    }
    assert server.chat("x", **extras).status == 200


DEEP = b"[" * 100_000
LONE = b'{"messages":[{"role":"user","content":"\\ud83d"}]}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"n": NaN}',
        b'{"n": Infinity}',
        b'{"n": 1e400}',
        b'{"n": ' + b"1" * 100_000 + b"}",
        b'{"n": 1, "n": 2}',
        b'{"messages": ' + DEEP,
        DEEP,
        b'{"a":' * 50_000,
        LONE,
        LONE.replace(b"content", b"name"),
        b'{"stop": ["\\udc00"]}',
        b"{" + b",".join(b'"k%d": 1' % i for i in range(100_000)) + b"}",
    ],
)
def test_json_that_parsers_disagree_about(server: RunningServer, body: bytes) -> None:
    spent = server.cpu_seconds()
    for path in (CHAT, "/v1/messages", "/v1/embeddings", "/tokenize"):
        reply = server.post(path, body)
        assert reply.status == 400
        assert reply.error["message"]
    assert server.cpu_seconds() - spent < 4


FUZZ = (None, True, 0, -1, 1.5, 2**64, "", "x", "\x00", [], [[]], [{}], [None], {}, {"type": []}, {"x": {"y": [1]}})


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/messages", "/v1/responses", "/tokenize", "/detokenize"])
def test_no_value_of_any_field_breaks_anything(server: RunningServer, path: str) -> None:
    document = server.get("/api-doc/openapi.json").json
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    fields = [*document["components"]["schemas"][schema.rpartition("/")[2]]["properties"], "tools", "response_format"]
    good = {CHAT: chat_body("x", max_tokens=1), "/v1/messages": {"messages": [USER], "max_tokens": 1}}
    base = good.get(path, {"tokens": [1]} if path == "/detokenize" else {"prompt": "x"})
    base = {**base, "max_tokens": 1} if path == "/v1/completions" else base
    base = {"input": "x", "max_output_tokens": 1} if path == "/v1/responses" else base
    for field in fields:
        for value in FUZZ:
            reply = server.post(path, {**base, field: value})
            assert reply.status in (200, 400, 404), (field, value, reply)
            assert reply.status == 200 or reply.error["message"]
    for message in (*FUZZ, *({"role": "user", "content": value} for value in FUZZ)):
        assert server.post(path, {**base, "messages": [message]}).status in (200, 400)
    for part in FUZZ:
        assert server.post(path, {**base, "messages": [{"role": "user", "content": [part]}]}).status in (200, 400)


@pytest.mark.parametrize("depth", [70, 500, 990])
def test_values_for_the_template_are_not_too_deep(server: RunningServer, depth: int) -> None:
    inner = b"[" * depth + b"]" * depth
    body = json.dumps(chat_body("x", chat_template_kwargs={"a": "HERE"})).encode().replace(b'"HERE"', inner)
    reply = server.post(CHAT, body)
    assert (reply.status, reply.error["code"]) == (400, "invalid_json")


def test_whole_characters_pass_in_any_form(server: RunningServer) -> None:
    for text in ("\U0001f600", "\x00", "\u202e\ufeff\u2028", "a" * 100):
        assert server.chat(text).status == 200
        assert server.post(CHAT, json.dumps(chat_body(text), ensure_ascii=False).encode()).status == 200


@pytest.mark.parametrize(
    "name", ["nope", "../../etc/passwd", "", "scripted ", "DEFAULT", "x" * 10_000, "\x00"], ids=range(7)
)
def test_models_that_are_not_here(server: RunningServer, name: str) -> None:
    for path, body in (
        (CHAT, chat_body("x")),
        ("/v1/messages", {"messages": [USER], "max_tokens": 1}),
        ("/v1/completions", {"prompt": "x"}),
    ):
        reply = server.post(path, {**body, "model": name})
        assert reply.status == 404
        assert len(reply.error["message"]) < 300


def test_names_of_the_model(server: RunningServer) -> None:
    names = [card["id"] for card in server.get("/v1/models").json["data"]]
    assert names == ["default", "scripted", "alias"]
    for name in names:
        assert server.chat("x", model=name).json["model"] == "scripted"
        assert server.get(f"/v1/models/{name}").json["id"] == name
    assert server.get("/v1/models/a/b").status == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("POST", "/v1//chat/completions", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("GET", "/v1/%2e%2e/etc/passwd", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("PUT", "/v1/messages", 405),
        ("TRACE", "/v1/models", 405),
    ],
)
def test_routes_and_methods_that_are_not_there(server: RunningServer, method: str, path: str, status: int) -> None:
    reply = server.send(method, path, b"{}")
    assert reply.status == status
    assert reply.error["message"]


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/audio/speech", "/v1/moderations"])
def test_interfaces_that_are_not_there_say_so(server: RunningServer, path: str) -> None:
    reply = server.post(path, {"input": "x"})
    assert (reply.status, reply.error["code"]) == (400, "not_supported")


def test_the_type_of_the_body(server: RunningServer) -> None:
    body = json.dumps(chat_body("x")).encode()
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "multipart/form-data"},
        {"content-encoding": "gzip"},
    ):
        assert server.send("POST", CHAT, body, **{"content-type": "application/json", **headers}).status == 415
    assert server.send("POST", CHAT, body, **{"content-type": "application/json; charset=utf-8"}).status == 200


def test_the_description_covers_every_route(server: RunningServer) -> None:
    document = server.get("/api-doc/openapi.json").json
    body = document["paths"][CHAT]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ChatBody"}
    references = {part.partition('"')[0] for part in json.dumps(document).split('"$ref": "#/components/schemas/')[1:]}
    assert references <= set(document["components"]["schemas"])
    assert "temperature" in document["components"]["schemas"]["ChatBody"]["properties"]


def test_requests_have_names(server: RunningServer) -> None:
    assert server.get("/health", x_request_id="mine-1").headers["x-request-id"] == "mine-1"
    for bad in ("x" * 200, "a b", ""):
        assert server.get("/health", x_request_id=bad).headers["x-request-id"].startswith("req-")
