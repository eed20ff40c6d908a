"""Penalties, DRY and biases by worked examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mistralrs.engine.penalties import DRY_LONGEST_MATCH, LogitAdjuster, dry_penalties
from mistralrs.engine.request import SamplingParams


def adjust(logits: list[float], prompt: list[int], answer: list[int], breakers: tuple[int, ...] = (), **p: Any) -> Any:
    adjuster = LogitAdjuster(SamplingParams(**p), np.array(prompt, dtype=np.int64), breakers)
    for token in answer:
        adjuster.observe(token)
    row = np.array(logits, dtype=np.float32)
    adjuster.apply(row, np.array([*prompt, *answer], dtype=np.int64))
    return row.tolist()


def test_frequency_and_presence_count_the_answer_only() -> None:
    changed = adjust([1, 1, 1, 1], [0, 0], [1, 1, 2], frequency_penalty=0.5, presence_penalty=0.25)
    assert changed == [1, 1 - 2 * 0.5 - 0.25, 1 - 0.5 - 0.25, 1]


def test_repetition_sees_the_prompt_and_divides_or_multiplies() -> None:
    changed = adjust([2, 2, -2, -2], [0, 2], [], repetition_penalty=2.0)
    assert changed == [1, 2, -4, -2]


def test_repetition_comes_after_the_other_penalties() -> None:
    assert adjust([1, 1], [], [0], presence_penalty=2.0, repetition_penalty=2.0) == [-2, 1]


def test_bias_comes_last() -> None:
    assert adjust([1, 1], [0], [], repetition_penalty=2.0, logit_bias={0: 3.0, 1: -100.0}) == [3.5, -99]


def test_extreme_values_stay_finite() -> None:
    row = adjust([3e38, -3e38], [0, 1], [], repetition_penalty=1e-3, logit_bias={0: 1e308, 1: -1e308})
    assert np.isfinite(row).all()


def dry(tokens: list[int], breakers: tuple[int, ...] = (), **settings: Any) -> dict[int, float]:
    sampling = SamplingParams(dry_multiplier=1.0, **{"dry_base": 2.0, "dry_allowed_length": 2, **settings})
    found, penalties = dry_penalties(np.array(tokens), sampling, np.array(sorted(breakers), dtype=np.int64))
    return dict(zip(found.tolist(), penalties.tolist(), strict=True))


def test_dry_grows_with_the_length_of_the_repetition() -> None:
    assert dry([1, 2, 9, 1, 2]) == {9: 1.0}
    assert dry([1, 2, 3, 9, 1, 2, 3]) == {9: 2.0}
    assert dry([5, 1, 2, 3, 9, 5, 1, 2, 3]) == {9: 4.0}


def test_dry_lets_short_repetitions_pass() -> None:
    assert dry([2, 9, 7, 2]) == {}
    assert dry([2, 9, 7, 2], dry_allowed_length=1) == {9: 1.0}


def test_dry_takes_the_longest_of_several() -> None:
    assert dry([1, 2, 9, 8, 1, 2, 9, 7, 8, 1, 2]) == {9: 2.0}


def test_dry_breakers_end_the_comparison_and_are_never_penalised() -> None:
    assert dry([1, 0, 2, 9, 1, 0, 2], breakers=(0,)) == {}
    assert dry([1, 2, 0, 1, 2], breakers=(0,)) == {}
    assert dry([3, 4, 0, 1, 2, 9, 3, 4, 0, 1, 2], breakers=(0,)) == {9: 1.0}


def test_dry_length_is_capped() -> None:
    assert dry([7] * 500, dry_base=1.0) == {7: 1.0}
    assert dry([7] * 500) == {7: 2.0 ** (DRY_LONGEST_MATCH - 2)}
    assert dry([7] * 500, dry_base=100.0)[7] <= 1e30


def naive_dry(tokens: list[int], breakers: set[int], allowed: int) -> dict[int, float]:
    lengths: dict[int, int] = {}
    for i in range(len(tokens) - 1):
        if tokens[i] != tokens[-1] or tokens[i + 1] in breakers:
            continue
        length = 1
        while length < DRY_LONGEST_MATCH and length <= i:
            previous = tokens[-1 - length]
            if tokens[i - length] != previous or previous in breakers:
                break
            length += 1
        lengths[tokens[i + 1]] = max(length, lengths.get(tokens[i + 1], 0))
    return {token: 2.0 ** (length - allowed) for token, length in lengths.items() if length >= allowed}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sets(st.integers(0, 3)), st.integers(0, 4))
def test_dry_equals_the_plain_algorithm(tokens: list[int], breakers: set[int], allowed: int) -> None:
    assert dry(tokens, tuple(breakers), dry_allowed_length=allowed) == naive_dry(tokens, breakers, allowed)


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, False),
        ({"temperature": 0.0, "top_k": 5}, False),
        ({"logit_bias": {1: 0.5}}, True),
        ({"dry_multiplier": 1.0}, True),
    ],
)
def test_only_requests_that_need_one_get_an_adjuster(settings: dict[str, Any], needed: bool) -> None:
    assert LogitAdjuster.needed(SamplingParams(**settings)) is needed
