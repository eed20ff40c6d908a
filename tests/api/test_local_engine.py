"""From messages to an answer, with a scripted engine behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mistralrs.api.engine import LocalEngine
from mistralrs.api.log import RequestLog
from mistralrs.api.requests import ChatRequest, SamplingOptions, parse
from mistralrs.api.sampling import CHAT_DEFAULTS
from mistralrs.errors import EngineError, RequestError, UsageError
from tests.api.fakes import ScriptedLoop, scripted_engine, word_tokenizer


def request(text: str = "hello", **more: Any) -> ChatRequest:
    return parse(ChatRequest, {"messages": [{"role": "user", "content": text}], **more})


def test_an_answer_streams_and_then_knows_what_it_cost() -> None:
    loop = ScriptedLoop()
    with scripted_engine(loop) as engine:
        answer = engine.chat(request())
        assert list(answer) == ["Hello", " there", "."]
    assert answer.text == "Hello there."
    assert answer.reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3
    assert answer.first_token_seconds is not None
    assert loop.closed


def test_the_prompt_is_the_template_s_text_without_further_special_tokens() -> None:
    loop = ScriptedLoop()
    scripted_engine(loop).chat(request())
    expected = word_tokenizer().encode("[user] hello [assistant]", add_special_tokens=False).ids
    assert loop.requests[0].prompt == tuple(expected)


def test_cancel_ends_the_answer_and_keeps_its_text() -> None:
    engine = scripted_engine(ScriptedLoop(["a"] * 1000, delay=0.01))
    answer = engine.chat(request())
    assert next(iter(answer)) == "a"
    answer.cancel()
    assert answer.reason == "canceled"
    assert 1 <= len(answer.text) < 1000
    answer.cancel()


def test_an_error_of_the_engine_is_raised_by_the_iteration() -> None:
    loop = ScriptedLoop()
    loop.error = EngineError("the cache is full")
    answer = scripted_engine(loop).chat(request())
    with pytest.raises(EngineError, match="the cache is full"):
        list(answer)
    assert answer.reason == "error"
    assert answer.text == "Hello there."


def test_sampling_comes_from_the_request_then_the_model_then_the_front_end() -> None:
    options = SamplingOptions(top_k=7)
    plain = scripted_engine(ScriptedLoop())
    assert plain.sampling(options).temperature == 1.0
    chat = plain.sampling(options, CHAT_DEFAULTS)
    assert (chat.temperature, chat.top_k, chat.top_p, chat.min_p) == (0.8, 7, 0.95, 0.05)
    stated = scripted_engine(ScriptedLoop(), {"temperature": 0.6, "top_k": 20, "max_new_tokens": 9})
    model = stated.sampling(options, CHAT_DEFAULTS)
    assert (model.temperature, model.top_k, model.top_p, model.min_p, model.max_tokens) == (0.6, 7, 1.0, 0.0, None)


def test_generation_config_may_ask_for_greedy_and_for_silence() -> None:
    generation: dict[str, object] = {"do_sample": False, "temperature": 0.6, "suppress_tokens": [1, 10**9, "x"]}
    sampling = scripted_engine(ScriptedLoop(), generation).sampling(SamplingOptions(logit_bias={2: 1.0}))
    assert sampling.temperature == 0.0
    assert sampling.logit_bias == {1: -1e9, 2: 1.0}


@pytest.mark.parametrize("value", [-1, float("nan"), 10**400, "hot", [], True])
def test_nonsense_in_generation_config_is_ignored(value: object) -> None:
    sampling = scripted_engine(ScriptedLoop(), {"temperature": value, "top_k": 5}).sampling(SamplingOptions())
    assert sampling.temperature == 1.0
    assert sampling.top_k == 5


def test_out_of_range_options_are_named() -> None:
    engine = scripted_engine(ScriptedLoop())
    with pytest.raises(RequestError) as caught:
        engine.chat(request(sampling={"top_p": 1.5}))
    assert caught.value.param == "top_p"


def test_the_log_has_requests_and_answers(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with scripted_engine(ScriptedLoop(), log=RequestLog(path)) as engine:
        list(engine.chat(request(sampling={"max_tokens": 2})))
    entry = json.loads(path.read_text())
    assert entry["response"] == "Hello there"
    assert entry["reason"] == "length"
    assert entry["request"]["messages"] == [{"role": "user", "content": "hello"}]
    assert path.stat().st_mode & 0o077 == 0


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--log: cannot write"):
        RequestLog(tmp_path / "no" / "log")


def test_observers_are_told_when_an_answer_has_ended_and_when_the_engine_stops() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    engine = scripted_engine(ScriptedLoop())
    observed = LocalEngine(engine.model, ScriptedLoop(), notify=lambda event, **facts: told.append((event, facts)))
    list(observed.chat(request()))
    observed.close()
    assert [event for event, _ in told] == ["mistralrs_request_finished", "mistralrs_stopping"]
    record = told[0][1]["record"]
    assert (record.model, record.reason) == (engine.model.id, "stop")
    assert record.completion_tokens > 0
