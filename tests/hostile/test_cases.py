"""Hostile requests beside an innocent one; after each of them the server is as good as new.

What a single field or byte can do is in tests/serve: test_refusals (JSON, fields, models), test_wire (HTTP, slow
clients, overload), test_access (keys, hosts, origins) and test_life (dead engines, signals).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.checks import Watched
from tests.serve.led_steps import Leader
from tests.serve.running import LEAKS, Reply, RunningServer, chat_body, scripted

CHAT, TEXT, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/messages"
INNOCENT = {"prompt": "~an innocent text", "max_tokens": 25, "temperature": 0}
VOCAB = 272
CONTEXT = 256
Case = Callable[[RunningServer], None]

pytestmark = pytest.mark.slow


def golden(server: RunningServer) -> str:
    text: str = server.chat("golden", max_tokens=32).json["choices"][0]["message"]["content"]
    assert len(text) == 32
    return text


def innocent(server: RunningServer) -> str:
    """An answer of half a second."""
    text: str = server.post(TEXT, INNOCENT).json["choices"][0]["text"]
    return text


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with scripted({"max_seqs": 8}) as server:
        yield Watched(server.wait_ready(), golden)


@pytest.fixture(scope="module")
def expected(watched: Watched) -> str:
    return innocent(watched.server)


def refused(reply: Reply, param: str = "", code: str = "") -> None:
    assert reply.status == 400, reply.body
    assert (param, code) == (param and reply.error["param"], code and reply.error["code"])


def numerical_row(server: RunningServer) -> None:
    """A row of NaN ends its own request, with a word, streamed and not."""
    reply = server.chat("^")
    assert (reply.status, reply.error["code"]) == (500, "numerical_error")
    *_, error, done = server.stream(chat_body("^")).events()
    assert (json.loads(error)["error"]["code"], done) == ("numerical_error", "[DONE]")


def numerical_rows_are_not_cached(server: RunningServer) -> None:
    """A prompt whose answer failed is computed afresh, and fails in the same way."""
    first, second = (server.chat("^" + "x" * 100) for _ in range(2))
    assert first.status == second.status == 500
    assert first.error == second.error


def broken_step(server: RunningServer) -> None:
    """An exception in the model is one request's end, and tells nobody where."""
    reply = server.chat("|")
    assert reply.status == 500
    assert "deadbeef" not in reply.body.decode()
    assert reply.error["type"] == "server_error"


def broken_step_and_nobody_to_tell(server: RunningServer) -> None:
    for _ in range(5):
        server.stream(chat_body("|", n=2)).drop()
        server.stream(chat_body("^", n=2)).drop()


def gone_in_every_state(server: RunningServer) -> None:
    """Clients leave while they wait for a place, while their prompt is computed, and while they are answered."""
    streams = [server.stream({"prompt": "~" + "y" * 200, "max_tokens": 40, "n": 4}, TEXT) for _ in range(4)]
    for index, stream in enumerate(streams):
        events = stream.events()
        for _ in range(index):
            next(events)
        stream.drop()


def equal_request_ids(server: RunningServer) -> None:
    """A client's name for its request names nothing inside."""
    one = server.post(TEXT, {"prompt": "one", "max_tokens": 20}, x_request_id="same")
    two = server.post(TEXT, {"prompt": "two", "max_tokens": 20}, x_request_id="same")
    assert one.json["id"] != two.json["id"]
    assert one.headers["x-request-id"] == two.headers["x-request-id"] == "same"


def logit_bias_at_the_edges(server: RunningServer) -> None:
    for token in ("-1", str(VOCAB), str(VOCAB + 1), str(2**31), str(2**63), "abc", "1.0", " 1"):
        refused(server.chat("x", logit_bias={token: 1}), "logit_bias")
    refused(server.chat("x", logit_bias={str(2**40 + index): 1 for index in range(100_000)}), "logit_bias")
    refused(server.chat("x", logit_bias={"1": float("1e308") * 10}), code="invalid_json")
    everything = {str(token): -100 for token in range(VOCAB)}
    assert server.chat("x", logit_bias=everything).status == 200


def token_ids_that_are_none(server: RunningServer) -> None:
    for tokens in ([-1], [VOCAB], [2**63], [1.5], [True], [[-1]], [None], []):
        reply = server.post(TEXT, {"prompt": tokens})
        refused(reply, code="")
    refused(server.post(TEXT, {"prompt": [1] * 10**6}), code="context_length_exceeded")


def billions_of_answers(server: RunningServer) -> None:
    for field in ("n", "best_of"):
        spent = server.cpu_seconds()
        for value in (10**9, 2**63, 0, -1, True, 1.5):
            assert server.post(TEXT, {"prompt": "x", field: value}).status == 400
        assert server.cpu_seconds() - spent < 3
    assert server.post(TEXT, {"prompt": ["x"] * 100_000}).status == 400


def prompts_around_the_context(server: RunningServer) -> None:
    for length, truncate, status in (
        *((CONTEXT - 1, False, 200), (CONTEXT, False, 200), (CONTEXT + 1, False, 400), (10 * CONTEXT, False, 400)),
        *((CONTEXT, True, 200), (CONTEXT + 1, True, 200), (10 * CONTEXT, True, 200)),
    ):
        fields = {"prompt": [5] * length, "max_tokens": 2**31 - 1, "truncate_sequence": truncate}
        reply = server.post(TEXT, fields)
        assert reply.status == status, (length, truncate)
        assert status == 200 or reply.error["code"] == "context_length_exceeded"


def texts_that_are_hard_to_tokenize(server: RunningServer) -> None:
    for text in ("a" * 10**7, " " * 10**5, "(" * 10**5, "\u4f60" * 10**5, "e\u0301" * 10**5):
        for path, body in ((CHAT, chat_body(text)), ("/tokenize", {"prompt": text})):
            assert server.post(path, body).status in (200, 400)


def marks_in_every_text_field(server: RunningServer) -> None:
    """Template syntax in a message is text."""
    for attack in ("{{ ''.__class__.__mro__ }}", "{% for i in range(10**9) %}x{% endfor %}", "{{ cycler.__init__ }}"):
        prompt = server.post("/apply-template", {"messages": [{"role": "user", "content": attack}]}).json["prompt"]
        assert attack in prompt
        refused(server.chat("x", chat_template=attack), "chat_template", "not_supported")
        assert server.chat("x", chat_template_kwargs={"anything": attack}).status in (200, 400)


def large_template_values(server: RunningServer) -> None:
    assert server.chat("x", chat_template_kwargs={"a": "x" * 10**6}).status in (200, 400)
    refused(server.chat("x", chat_template_kwargs={f"k{index}": 1 for index in range(1000)}))


def conversations_of_all_kinds(server: RunningServer) -> None:
    user, assistant = {"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}
    for messages in ([user, assistant], [assistant], [user, user], [{"role": "system", "content": ""}, user]):
        assert server.post(CHAT, {"messages": messages, "max_tokens": 1}).status in (200, 400)
    for content in ("\x00", "\u202e", "\U0001f469\u200d\U0001f52c", "\ufeff", " ", "\n" * 1000):
        assert server.chat(content).status in (200, 400)
    assert server.post(CHAT, {"messages": [user] * 10_000}).status == 400


def logprobs_are_numbers(server: RunningServer) -> None:
    """JSON has no infinity: what cannot be is a large negative number."""
    body = {"prompt": "x", "logprobs": 5, "max_tokens": 4, "logit_bias": {str(i): -100 for i in range(3, 200)}}
    for reply in (server.post(TEXT, body), server.post(TEXT, {**body, "top_k": 1})):
        assert reply.status == 200
        assert not any(word in reply.body for word in (b"NaN", b"Infinity"))
        json.loads(reply.body, parse_constant=pytest.fail)


CASES: tuple[Case, ...] = (
    numerical_row,
    numerical_rows_are_not_cached,
    broken_step,
    broken_step_and_nobody_to_tell,
    gone_in_every_state,
    equal_request_ids,
    logit_bias_at_the_edges,
    token_ids_that_are_none,
    billions_of_answers,
    prompts_around_the_context,
    texts_that_are_hard_to_tokenize,
    marks_in_every_text_field,
    large_template_values,
    conversations_of_all_kinds,
    logprobs_are_numbers,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_server_is_as_good_as_new(watched: Watched, expected: str, case: Case) -> None:
    """The innocent request is asked before the case and ends after it began, with the answer it always has."""
    answers: list[str] = []
    beside = threading.Thread(target=lambda: answers.append(innocent(watched.server)))
    with watched.case() as server:
        beside.start()
        case(server)
        beside.join()
    assert answers == [expected]


def test_no_refusal_tells_where_the_server_lies(watched: Watched) -> None:
    assert not LEAKS.search(watched.server.chat("|").body.decode())


def test_a_prompt_larger_than_the_whole_cache_is_refused_at_once(tmp_path: Path) -> None:
    """Beside an answer that goes on: no more steps are needed than the one that is made just then."""
    leader = Leader(tmp_path)
    with scripted({"led_by": str(tmp_path), "num_blocks": 8, "max_seqs": 4}) as server:
        server.wait_ready()
        leader.let(1)
        running = server.stream({"prompt": "x", "max_tokens": 20}, TEXT)
        leader.wait_step()
        replies: list[Reply] = []
        asked = threading.Thread(target=lambda: replies.append(server.post(TEXT, {"prompt": [5] * 100})))
        asked.start()
        leader.wait_message("Generate", 2)
        leader.let(1)
        asked.join()
        refused(replies[0])
        leader.let(20)
        assert list(running.events())[-1] == "[DONE]"


def test_many_long_answers_share_a_small_cache() -> None:
    """Requests that fit only one after the other all end with the answer that each has alone."""
    with scripted({"num_blocks": 16, "max_seqs": 8}) as server:
        server.wait_ready()
        bodies: list[dict[str, Any]] = [{"prompt": f"text {index}", "max_tokens": 60} for index in range(6)]
        alone = [server.post(TEXT, {**body, "temperature": 0}).json["choices"][0]["text"] for body in bodies]
        found: dict[int, str] = {}

        def ask(index: int) -> None:
            reply = server.post(TEXT, {**bodies[index], "temperature": 0})
            found[index] = reply.json["choices"][0]["text"]

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [found[index] for index in range(6)] == alone
        server.wait_idle()
