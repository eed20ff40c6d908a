"""Chat completions, through the openai package and by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.serve.running import RunningServer, chat_body
from tests.serve.scripted_text import SPEECH


@pytest.fixture(scope="module")
def client(shared_server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{shared_server.root}/v1", api_key="any", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def ask(client: openai.OpenAI, text: str = "hello", **fields: Any) -> Any:
    fields = {"model": "scripted", "temperature": 0, "max_tokens": 8, **fields}
    return client.chat.completions.create(messages=[{"role": "user", "content": text}], **fields)


def test_a_whole_answer(client: openai.OpenAI, server: RunningServer) -> None:
    answer = ask(client)
    assert answer.object == "chat.completion"
    assert answer.model == "scripted"
    choice = answer.choices[0]
    assert (choice.message.role, choice.finish_reason) == ("assistant", "length")
    assert len(choice.message.content) == 8
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8


def test_a_stream_says_the_same(client: openai.OpenAI, server: RunningServer) -> None:
    whole = ask(client).choices[0].message.content
    chunks = list(ask(client, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["length"]
    assert all(chunk.usage is None for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_last_in_a_stream_that_asks_for_it(client: openai.OpenAI, server: RunningServer) -> None:
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 8
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_an_answer_may_end_by_itself(client: openai.OpenAI, server: RunningServer) -> None:
    choice = ask(client, "$", max_tokens=50).choices[0]
    assert (len(choice.message.content), choice.finish_reason) == (2, "stop")
    assert ask(client, "$", max_tokens=50, extra_body={"ignore_eos": True}).choices[0].finish_reason == "length"


def test_stop_strings_are_not_shown(client: openai.OpenAI, server: RunningServer) -> None:
    whole = ask(client).choices[0].message.content
    for stop in (whole[3:5], [whole[3:5], "never"]):
        choice = ask(client, stop=stop).choices[0]
        assert whole.startswith(choice.message.content)
        assert len(choice.message.content) <= 3
        assert choice.finish_reason == "stop"


def test_several_answers_differ_by_seed_and_repeat_with_it(client: openai.OpenAI, server: RunningServer) -> None:
    fields = {"n": 3, "temperature": 90.0, "seed": 7, "top_p": 1}
    first, again = ([c.message.content for c in ask(client, extra_body=fields).choices] for _ in range(2))
    assert first == again
    assert len(set(first)) == 3
    chunks = list(ask(client, stream=True, extra_body=fields))
    streamed = ["", "", ""]
    for chunk in chunks:
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == first


def test_log_probabilities(client: openai.OpenAI, server: RunningServer) -> None:
    choice = ask(client, "$", max_tokens=9, logprobs=True, top_logprobs=2).choices[0]
    entries = choice.logprobs.content
    assert "".join(entry.token for entry in entries) == choice.message.content  # without the token that ends it
    for entry in entries:
        assert bytes(entry.bytes).decode() == entry.token
        assert entry.logprob <= 0
        assert len(entry.top_logprobs) == 2
        assert entry.top_logprobs[0].token == entry.token
    chunks = list(ask(client, "$", max_tokens=9, logprobs=True, stream=True))
    told = [entry.token for chunk in chunks if (of := chunk.choices[0].logprobs) for entry in of.content]
    assert told == [entry.token for entry in entries]


def test_what_the_model_says_cannot_forge_events(client: openai.OpenAI, server: RunningServer) -> None:
    chunks = list(ask(client, "@", max_tokens=100, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SPEECH
    assert ask(client, "@", max_tokens=100).choices[0].message.content == SPEECH


def test_a_conversation_as_clients_send_it_back(client: openai.OpenAI, server: RunningServer) -> None:
    answer = ask(client).choices[0].message
    messages = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}, answer.model_dump()]
    messages.append({"role": "user", "content": "and", "name": "me"})
    assert client.chat.completions.create(model="default", messages=messages, max_completion_tokens=3).choices


def test_asyncio_clients(server: RunningServer) -> None:
    async def many() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{server.root}/v1", api_key="any", max_retries=0) as client:

            async def one() -> str:
                stream = await client.chat.completions.create(
                    model="scripted", messages=[{"role": "user", "content": "x"}], stream=True, max_tokens=8
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(one() for _ in range(8)))

    assert len(set(asyncio.run(many()))) == 1


def test_errors_are_the_package_s_own(client: openai.OpenAI, server: RunningServer) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, temperature=-1)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.NotFoundError) as missing:
        ask(client, model="other")
    assert missing.value.code == "model_not_found"


def test_an_error_before_the_first_token_has_a_status(server: RunningServer) -> None:
    for stream in (False, True):
        reply = server.chat("|", stream=stream)
        assert reply.status == 500
        assert reply.error["type"] == "server_error"


def test_an_error_after_it_is_an_event_and_the_end(server: RunningServer) -> None:
    *chunks, error, done = server.stream(chat_body("^")).events()
    assert done == "[DONE]"
    assert json.loads(error)["error"]["code"] == "numerical_error"
    assert "".join(json.loads(chunk)["choices"][0]["delta"]["content"] for chunk in chunks)
    assert server.chat("^").error["code"] == "numerical_error"


def test_too_long_conversations_are_refused_or_cut(server: RunningServer) -> None:
    reply = server.chat("x" * 1000)
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert "256" in reply.error["message"]
    huge = server.chat("x" * 3_000_000)
    assert (huge.status, huge.error["code"]) == (400, "context_length_exceeded")
    assert server.chat("x" * 1000, stream=True).error["code"] == "context_length_exceeded"
    cut = server.chat("x" * 1000, truncate_sequence=True)
    assert cut.json["usage"]["completion_tokens"] == 8


def test_a_template_that_refuses_is_told(server: RunningServer) -> None:
    reply = server.chat("refuse")
    assert (reply.status, reply.error["code"]) == (400, "template_error")
    assert "refused" in reply.error["message"]
