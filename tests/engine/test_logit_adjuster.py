"""Penalties, DRY and biases by worked examples."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mistralrs.engine.penalties import LogitAdjuster
from mistralrs.engine.request import SamplingParams
from mistralrs.ops import Adjustments, Ops, OpTable
from mistralrs_plugins.kernels.cpu.backend import CpuBackend
from mistralrs_plugins.kernels.cpu.kernels import sizes
from mistralrs_plugins.kernels.torch.adjust import DRY_LONGEST_MATCH, dry_penalties
from mistralrs_plugins.kernels.torch.backend import TorchBackend

REFERENCE, COMPILED = Ops(OpTable([TorchBackend()])), Ops(OpTable([CpuBackend(), TorchBackend()]))


def adjust(logits: list[float], prompt: list[int], answer: list[int], breakers: tuple[int, ...] = (), **p: Any) -> Any:
    adjuster = LogitAdjuster(SamplingParams(**p), np.array(prompt, dtype=np.int64), breakers)
    for token in answer:
        adjuster.observe(token)
    changes = Adjustments.of([0], [adjuster.changes()])
    rows = []
    for ops in (REFERENCE, COMPILED):
        changed = torch.tensor([logits], dtype=torch.float32)
        before = ops.adjust(changed, changes)
        rows.append(changed[0].tolist())
        ops.restore(changed, *before)
        assert changed.equal(torch.tensor([logits], dtype=torch.float32))
    assert rows[0] == rows[1]
    return rows[0]


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


def dry(tokens: list[int], breakers: tuple[int, ...] = (), **chosen: Any) -> dict[int, float]:
    sampling = SamplingParams(dry_multiplier=1.0, **{"dry_base": 2.0, "dry_allowed_length": 2, **chosen})
    history = np.array(tokens)
    changes = LogitAdjuster(sampling, history, breakers).changes()
    found, penalties = dry_penalties(changes)
    expected = dict(zip(found.tolist(), penalties.tolist(), strict=True))
    logits = torch.zeros(1, 10)
    COMPILED.adjust(logits, Adjustments.of([0], [changes]))
    assert {token: -value for token, value in enumerate(logits[0].tolist()) if value} == pytest.approx(expected)
    return expected


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


def test_both_forms_know_the_same_longest_match() -> None:
    assert sizes.DRY_LONGEST_MATCH == DRY_LONGEST_MATCH


def test_what_grows_with_an_answer_stays_where_its_record_says() -> None:
    prompt, answer = [3, 1, 3], [n * n % 17 for n in range(300)]
    sampling = SamplingParams(dry_multiplier=0.8, repetition_penalty=1.3, logit_bias={4: 0.5, 2: -1.0})
    adjuster = LogitAdjuster(sampling, np.array(prompt), [7, 5])
    for index, token in enumerate(answer, 1):
        adjuster.observe(token)
        changes, so_far = adjuster.changes(), answer[:index]
        assert changes.history.tolist() == prompt + so_far
        assert dict(zip(changes.seen.tolist(), changes.counts.tolist(), strict=True)) == {
            token: so_far.count(token) for token in {*prompt, *so_far}
        }
        words = adjuster.record.tolist()
        for array, address, size in zip(changes[1:], (6, 8, 10, 11, 13, 14), (7, 9, 12, 12, 15, 15), strict=True):
            assert array.tobytes() == ctypes.string_at(words[address], 8 * words[size])
    assert adjuster.record[:6].view(np.float64).tolist() == list(changes.settings)


ROW = st.fixed_dictionaries(
    {
        "prompt": st.lists(st.integers(0, 20), min_size=1, max_size=80),
        "answer": st.lists(st.integers(0, 20), max_size=10),
        "breakers": st.lists(st.integers(0, 20), max_size=4),
        "bias": st.dictionaries(st.integers(0, 36), st.sampled_from([-1e308, -100.0, 0.5, 1e308]), max_size=5),
        "dry": st.sampled_from([0.0, 0.8, 90.0]),
        "allowed": st.integers(0, 3),
        "repetition": st.sampled_from([1.0, 1e-3, 1.3]),
        "presence": st.sampled_from([0.0, 0.25]),
        "frequency": st.sampled_from([0.0, -1.5]),
    }
)


@settings(deadline=None)  # the first may compile
@given(st.lists(ROW, min_size=1, max_size=5), st.integers(0, 1000), st.booleans())
def test_the_compiled_form_changes_what_the_reference_does(each: list[Any], seed: int, damaged: bool) -> None:
    parts = []
    for row in each:
        sampling = SamplingParams(
            logit_bias=row["bias"],
            dry_multiplier=row["dry"],
            dry_allowed_length=row["allowed"],
            repetition_penalty=row["repetition"],
            presence_penalty=row["presence"],
            frequency_penalty=row["frequency"],
        )
        adjuster = LogitAdjuster(sampling, np.array(row["prompt"]), row["breakers"])
        for token in row["answer"]:
            adjuster.observe(token)
        parts.append(adjuster.changes())
    logits = 5 * torch.randn(len(each) + 2, 37, generator=torch.Generator().manual_seed(seed))
    if damaged:
        logits[1, :5], logits[1, 5:8], logits[1, 9] = torch.nan, torch.inf, -torch.inf
    changes = Adjustments.of(range(1, len(each) + 1), parts)
    expected, actual = logits.clone(), logits.clone()
    REFERENCE.adjust(expected, changes)
    before = COMPILED.adjust(actual, changes)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=0, equal_nan=True)
    COMPILED.restore(actual, *before)
    torch.testing.assert_close(actual, logits, rtol=0, atol=0, equal_nan=True)
