"""What bench measures, and how lists of numbers are read."""

from __future__ import annotations

import pytest

from mistralrs.errors import UsageError
from mistralrs_plugins.frontends.bench.cli import numbers
from mistralrs_plugins.frontends.bench.plan import Case, Plan, Prompts


def plan(**changes: object) -> Plan:
    usual = {
        "prompt_lengths": (512,),
        "new_tokens": 128,
        "depths": (4,),
        "concurrencies": (1,),
        "iterations": 3,
        "warmup": 1,
    }
    return Plan(**{**usual, **changes})  # type: ignore[arg-type]


def test_cases_are_prompts_then_decoding_by_depth() -> None:
    names = [(case.name, case.depth, case.concurrency) for case in plan(depths=(0, 64), concurrencies=(1, 4)).cases()]
    each = [("pp512", 0), ("tg128", 0), ("tg128", 64)]
    assert names == [(*case, concurrency) for concurrency in (1, 4) for case in each]


def test_what_is_skipped() -> None:
    assert [case.name for case in plan(prompt_lengths=()).cases()] == ["tg128"]
    assert [case.name for case in plan(new_tokens=0).cases()] == ["pp512"]


def test_depth_0_still_has_a_prompt() -> None:
    (case,) = plan(prompt_lengths=(), depths=(0,)).cases()
    assert (case.prompt, case.depth) == (1, 0)


def test_a_case_beyond_the_context_is_refused() -> None:
    plan().check(context_length=513, batched_tokens=4096)
    with pytest.raises(UsageError, match=r"pp512 .* needs a context of 513 tokens, the model has 512"):
        plan().check(context_length=512, batched_tokens=4096)


def test_who_starts_first_may_be_ahead() -> None:
    case = Case(prompt=1000, new=10, depth=1000, concurrency=8)
    steps = -(-8 * 1000 // (1008 - 8))  # of prompts, beside one token of each answer
    assert case.lead(batched_tokens=1008) >= steps
    assert case.tokens(batched_tokens=1008) == 1000 + 10 + 1 + case.lead(1008)


@pytest.mark.parametrize("vocab_size", [8, 64, 1500, 50_000])
def test_prompts_differ_and_stay_inside_the_vocabulary(vocab_size: int) -> None:
    prompts = Prompts(vocab_size)
    first, second = prompts.make(100), prompts.make(100)
    assert first != second
    assert all(0 < token < vocab_size for token in first + second)
    assert Prompts(vocab_size).make(100) == first


def test_lists_of_numbers() -> None:
    assert numbers("--depth", ["0,64", " 4096 ", "64"]) == (0, 64, 4096)


@pytest.mark.parametrize("word", ["", "-1", "1.5", "a", "1,,2", "1" * 20])
def test_what_is_no_number(word: str) -> None:
    with pytest.raises(UsageError, match="--depth takes whole numbers from 0, separated by commas"):
        numbers("--depth", [word])


def test_no_sequences_at_all() -> None:
    with pytest.raises(UsageError, match="from 1"):
        numbers("--concurrency", ["0"], least=1)
