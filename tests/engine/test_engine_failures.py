"""One request's failure is its own: the others' answers stay as they are, and the engine lives."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
import torch
from scripted import (
    NAN,
    POISON,
    VOCAB,
    Move,
    Row,
    ScriptedModel,
    expected,
    generate,
    make_engine,
    random_prompt,
    run,
    scripted,
)
from small_tokenizers import byte_level

from mistralrs import faults
from mistralrs.engine.request import FinishReason
from mistralrs.errors import EngineError

BAD = (POISON, 5, 6)
GOOD = {n: random_prompt(n, 5 * n) for n in range(1, 4)}
INFINITE = Row((float("inf"), *(0.0,) * (VOCAB - 1)))


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    faults.install("")


def run_beside(model: ScriptedModel, **settings: int) -> EngineError:
    """Run the bad request between good ones; returns its error after checking the good ones and the pool."""
    engine = make_engine(model, byte_level(), **settings)
    good = [generate(n, prompt, max_tokens=12) for n, prompt in GOOD.items()]
    answers = run(engine, good[0], generate(9, BAD, max_tokens=12), *good[1:])
    for number, prompt in GOOD.items():
        assert answers[number].tokens == expected(prompt, 12)
        assert answers[number].reason == "length"
    finished = answers[9].finished
    assert finished.reason is FinishReason.ERROR
    assert isinstance(finished.error, EngineError)
    assert "0x" not in str(finished.error)
    return finished.error


@pytest.mark.parametrize("before", [0, 4])
@pytest.mark.parametrize("bad", [NAN, INFINITE], ids=["nan", "inf"])
def test_a_row_of_bad_numbers(before: int, bad: Row) -> None:
    moves: list[Move] = [*expected(BAD, before), bad]
    error = run_beside(ScriptedModel(scripted({BAD: moves})))
    assert error.code == "numerical_error"
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.message) == (error.code, error.message)


def test_bad_numbers_are_not_kept_in_the_prefix_cache() -> None:
    prompt = random_prompt(1, 30)
    model = ScriptedModel(scripted({prompt: [*expected(prompt, 4), NAN]}))
    engine = make_engine(model)
    sound = run(engine, generate(1, prompt[:20], max_tokens=1))[1]
    assert sound.reason == "length"
    bad = run(engine, generate(2, prompt, max_tokens=12))[2]
    assert bad.reason == "error"
    assert bad.tokens == expected(prompt, 4)
    assert engine.stats().cached_blocks == 0
    assert run(engine, generate(3, prompt, max_tokens=2))[3].finished.usage.cached_tokens == 0


def test_bad_numbers_are_wiped_from_memory() -> None:
    engine = make_engine(ScriptedModel(scripted({BAD: [NAN]})))
    cache = engine.runner.cache
    assert cache is not None
    cache.layers[0].k.fill_(torch.nan)
    run(engine, generate(1, BAD))
    assert cache.layers[0].k[0].eq(0).all()


def test_the_flagged_fault_hits_one_row() -> None:
    faults.install("step.logits=flag@3")
    engine = make_engine()
    answers = run(engine, *(generate(n, [n + 1], max_tokens=1) for n in range(4)))
    assert [answers[n].reason for n in range(4)] == ["length", "length", "error", "length"]


def test_a_forward_pass_that_fails_for_one_sequence() -> None:
    error = run_beside(ScriptedModel(poisoned=True))
    assert error.code == "engine_error"


@pytest.mark.parametrize("budget", [32, 64])
def test_a_forward_pass_that_fails_while_reading_a_long_prompt(budget: int) -> None:
    engine = make_engine(ScriptedModel(poisoned=True), max_batched_tokens=budget)
    prompt = (*random_prompt(5, 90), POISON, *random_prompt(6, 30))
    answers = run(engine, generate(1, GOOD[1], max_tokens=12), generate(2, prompt))
    assert answers[1].tokens == expected(GOOD[1], 12)
    assert answers[2].reason == "error"


def test_a_passing_trouble_costs_nothing() -> None:
    faults.install("step.forward=raise@4")
    engine = make_engine()
    answers = run(engine, generate(1, GOOD[1], max_tokens=12))
    assert answers[1].tokens == expected(GOOD[1], 12)


def test_an_exception_from_the_model_alone() -> None:
    run_beside(ScriptedModel(scripted({BAD: [5, 6, RuntimeError("at 0x7f00deadbeef")]})))


@pytest.mark.parametrize("point", ["step.sample", "step.detokenize"])
def test_a_fault_in_one_requests_part_of_a_step(point: str) -> None:
    faults.install(f"{point}=raise@6")
    engine = make_engine(tokenizer=byte_level())
    prompts = {n: random_prompt(n, 4) for n in range(4)}
    answers = run(engine, *(generate(n, prompt, max_tokens=3) for n, prompt in prompts.items()))
    failed = [n for n, answer in answers.items() if answer.reason == "error"]
    assert len(failed) == 1
    for number in set(prompts) - set(failed):
        assert answers[number].tokens == expected(prompts[number], 3)


def test_every_step_failing_ends_every_request_once() -> None:
    faults.install("step.forward=raise")
    engine = make_engine()
    answers = run(engine, *(generate(n, prompt) for n, prompt in GOOD.items()))
    assert {answer.reason for answer in answers.values()} == {"error"}
    faults.install("")
    assert run(engine, generate(9, GOOD[1]))[9].tokens == expected(GOOD[1], 8)


def test_logits_of_the_wrong_shape_are_an_error_of_the_request() -> None:
    model = ScriptedModel()
    engine = make_engine(model)
    engine.runner.module = lambda step: torch.zeros(len(step.rows), VOCAB + 1)
    answer = run(engine, generate(1, [1]))[1]
    assert answer.reason == "error"
    assert "shape" in str(answer.finished.error)


def test_a_leak_is_noticed() -> None:
    engine = make_engine()
    engine.scheduler.pool.take_surely()
    with pytest.raises(EngineError, match="1 of 64 cache blocks"):
        engine.check_idle()


def test_ending_all_starts_afresh() -> None:
    engine = make_engine()
    for number, prompt in GOOD.items():
        engine.add(generate(number, prompt))
    engine.step()
    engine.scheduler.pool.take_surely()
    ends = [output for output in engine.end_all(EngineError("broken")) if output.id]
    assert [output.id for output in ends if getattr(output, "reason", None) is FinishReason.ERROR] == [1, 2, 3]
    engine.check_idle()
    assert run(engine, generate(9, GOOD[1]))[9].tokens == expected(GOOD[1], 8)
