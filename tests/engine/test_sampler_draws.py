"""What is drawn: distributions against a plain reference, log-probabilities, bad rows, seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scripted import VOCAB

from mistralrs.engine import draws
from mistralrs.engine.candidates import Logits
from mistralrs.engine.draws import Settings
from mistralrs.engine.output import OutputText, TokenDecoder
from mistralrs.engine.penalties import LogitAdjuster
from mistralrs.engine.request import Generate, SamplingParams
from mistralrs.engine.sampling import (
    LOWEST_LOGPROB,
    NumericalError,
    Sampled,
    log_probabilities,
    sample,
    uniform,
)
from mistralrs.engine.sequence import Sequence

DRAWS = 100_000


def reference(logits: np.ndarray, p: SamplingParams) -> np.ndarray:
    """The distribution after all filters, in float64 and with a full sort."""
    scaled = logits.astype(np.float64) / p.temperature
    probabilities = np.exp(scaled - scaled.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities, kind="stable")
    if p.top_k > 0:
        probabilities[order[p.top_k :]] = 0
    if 0 < p.top_p < 1:
        cutoff, total = p.top_p * probabilities.sum(), 0.0
        for token in order:
            if total >= cutoff:
                probabilities[token] = 0
            total += probabilities[token]
    if 0 < p.min_p < 1:
        probabilities[probabilities <= p.min_p * probabilities.max()] = 0
    return probabilities / probabilities.sum()


def draw_rows(rows: np.ndarray, top_k: int, settings: Settings) -> np.ndarray:
    return draws.draw(Logits(rows), np.arange(len(rows)), top_k, settings)


def draw(row: np.ndarray, sampling: SamplingParams, number: float) -> int:
    return int(draw_rows(row[None], sampling.top_k, Settings.of([sampling], [number]))[0])


def largest_indices(row: np.ndarray, count: int) -> np.ndarray:
    return Logits(row[None]).largest(np.array([0]), count)[0]


def chi_square(counts: np.ndarray, probabilities: np.ndarray) -> tuple[float, int]:
    """The statistic, with cells of fewer than 10 expected draws put together, and its degrees of freedom."""
    expected = probabilities * counts.sum()
    big = expected >= 10
    observed = [*counts[big], counts[~big].sum()]
    wanted = [*expected[big], expected[~big].sum()]
    cells = [(o, e) for o, e in zip(observed, wanted, strict=True) if e > 0]
    return sum((o - e) ** 2 / e for o, e in cells), len(cells) - 1


FILTERS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.5},
    {"temperature": 2.5},
    {"top_k": 7},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05},
    {"temperature": 1.5, "top_p": 0.99, "min_p": 0.01},
]


def logits_of(size: int) -> np.ndarray:
    return (np.random.default_rng(size).standard_normal(size) * 2).astype(np.float32)


@pytest.mark.parametrize("size", [50, 1000])
@pytest.mark.parametrize("settings", FILTERS, ids=str)
def test_every_token_owns_its_share_of_the_unit_interval(size: int, settings: dict[str, Any]) -> None:
    sampling = SamplingParams(**settings)
    points = 4000
    counts = np.zeros(size)
    logits = logits_of(size)
    for index in range(points):
        counts[draw(logits, sampling, (index + 0.5) / points)] += 1
    probabilities = reference(logits, sampling)
    assert counts[probabilities == 0].sum() == 0, "a filtered token was drawn"
    assert np.abs(counts - probabilities * points).max() <= 1.01


@pytest.mark.slow
@pytest.mark.parametrize("settings", FILTERS, ids=str)
def test_draws_follow_the_filtered_distribution(settings: dict[str, Any]) -> None:
    logits, sampling = logits_of(50), SamplingParams(**settings)
    counts = np.zeros(len(logits))
    at_once = 1000
    rows = np.tile(logits, (at_once, 1))
    for start in range(0, DRAWS, at_once):
        numbers = [uniform(11, index) for index in range(start, start + at_once)]
        tokens = draw_rows(rows, sampling.top_k, Settings.of([sampling] * at_once, numbers))
        np.add.at(counts, tokens, 1)
    probabilities = reference(logits, sampling)
    assert counts[probabilities == 0].sum() == 0, "a filtered token was drawn"
    statistic, freedom = chi_square(counts, probabilities)
    # Wilson and Hilferty: the cube root of chi-square over freedom is nearly normal; 4 deviations is 1 in 30,000.
    deviation = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    assert deviation < 4


@given(st.integers(0, 2**32), st.floats(0, 1, exclude_max=True), st.sampled_from([3, 64, 65, 1000, 5000]))
def test_every_number_picks_what_the_running_sum_says(seed: int, number: float, size: int) -> None:
    logits = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    sums = np.cumsum(np.exp(logits.astype(np.float64) - logits.max()))
    token = draw(logits, SamplingParams(), number)
    below = sums[token - 1] if token else 0.0
    slack = 1e-5 * sums[-1]
    assert below - slack <= number * sums[-1] <= sums[token] + slack


@given(st.integers(0, 2**32), st.sampled_from([1, 5, 40, 300]), st.sampled_from([10, 63, 640, 30_000]))
def test_largest_indices_equal_a_full_sort(seed: int, count: int, size: int) -> None:
    row = np.random.default_rng(seed).permutation(size).astype(np.float32)
    count = min(count, size)
    assert largest_indices(row, count).tolist() == np.argsort(-row)[:count].tolist()


def test_equal_logits_come_in_their_order() -> None:
    row = np.zeros(30_000, dtype=np.float32)
    chosen = largest_indices(row, 40)
    assert len(set(chosen.tolist())) == 40
    assert chosen.tolist() == sorted(chosen.tolist())


def test_top_p_over_a_flat_distribution_looks_further() -> None:
    row = np.zeros(20_000, dtype=np.float32)
    drawn = {draw(row, SamplingParams(top_p=0.9), uniform(0, i)) for i in range(200)}
    assert len(drawn) > 150


def test_masked_tokens_are_never_drawn() -> None:
    row = np.full(1000, -np.inf, dtype=np.float32)
    row[[3, 998]] = 0
    for settings in ({}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.01}):
        drawn = {draw(row, SamplingParams(**settings), uniform(1, i)) for i in range(100)}
        assert drawn <= {3, 998}


@pytest.mark.parametrize("number", [0.0, 1 - 2.0**-52])
def test_the_ends_of_the_unit_interval(number: float) -> None:
    row = np.full(130, -np.inf, dtype=np.float32)
    row[[5, 70, 100]] = 1
    assert draw(row, SamplingParams(), number) == (5 if number == 0 else 100)


def test_extreme_temperatures_and_logits() -> None:
    row = np.array([3e38, -3e38, 2.9e38], dtype=np.float32)
    for temperature in (1.1e-7, 1e-3, 100.0):
        assert draw(row, SamplingParams(temperature=temperature), 0.5) == 0


def test_uniform_numbers_are_reproducible_and_apart() -> None:
    assert uniform(1, 0) == uniform(1, 0)
    assert len({uniform(seed, index) for seed in (-1, 0, 1, 2**64 - 1) for index in range(100)}) == 400
    numbers = [uniform(3, i) for i in range(10_000)]
    assert abs(np.mean(numbers) - 0.5) < 0.02
    assert 0 <= min(numbers) < max(numbers) < 1


def test_log_probabilities_are_those_of_the_raw_distribution() -> None:
    row = np.array([1.0, 3.0, 2.0, -np.inf], dtype=np.float32)
    wanted = torch.log_softmax(torch.tensor(row), dim=0).tolist()
    chosen, top = log_probabilities(row, 0, 4)
    assert chosen.logprob == pytest.approx(wanted[0])
    assert [entry.token for entry in top] == [1, 2, 0, 3]
    assert [entry.logprob for entry in top] == pytest.approx([wanted[1], wanted[2], wanted[0], LOWEST_LOGPROB])


def sequence(**settings: Any) -> Sequence:
    sampling = SamplingParams(**settings)
    prompt = np.array([1, 2])
    return Sequence(
        Generate(id=1, prompt=(1, 2), sampling=sampling),
        prompt,
        seed=sampling.seed or 0,
        output=OutputText(TokenDecoder(None).stream(), ()),
        adjuster=LogitAdjuster(sampling, prompt) if LogitAdjuster.needed(sampling) else None,
        arrived_at=0.0,
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": 1.0}], ids=str)
def test_a_bad_row_fails_alone(bad: float | None, settings: dict[str, Any]) -> None:
    logits = torch.randn(3, VOCAB)
    good = sample(logits[[0, 2]], [sequence(**settings)] * 2)
    if bad is None:
        logits[1] = -torch.inf
    else:
        logits[1, 77] = bad
    outcomes = sample(logits, [sequence(**settings)] * 3)
    assert isinstance(outcomes[1], NumericalError)
    assert outcomes[1].code == "numerical_error"
    assert [outcomes[0], outcomes[2]] == good


def test_a_mixed_batch_equals_every_row_alone() -> None:
    logits = torch.randn(5, VOCAB)
    sequences = [
        sequence(temperature=0.0),
        sequence(temperature=0.7, seed=5),
        sequence(temperature=0.7, seed=5, top_k=3, top_logprobs=2),
        sequence(temperature=0.0, logit_bias={9: 100.0}, top_logprobs=0),
        sequence(seed=9, top_p=0.5),
    ]
    together = sample(logits.clone(), sequences)
    alone = [sample(logits[i : i + 1].clone(), [one])[0] for i, one in enumerate(sequences)]
    assert together == alone
    biased = together[3]
    assert isinstance(biased, Sampled)
    assert biased.token == 9
    assert biased.logprob is not None
    raw = torch.log_softmax(logits[3], 0)[9].item()
    assert biased.logprob.logprob == pytest.approx(raw, abs=1e-5), "not of the biased distribution"
    assert biased.top == ()


def test_rows_drawn_together_are_those_drawn_alone() -> None:
    rows = np.random.default_rng(3).standard_normal((6, 5000)).astype(np.float32)
    params = [SamplingParams(temperature=0.5 + n / 4, top_p=0.7 + n / 20, min_p=n / 100) for n in range(6)]
    numbers = [uniform(0, n) for n in range(6)]
    for top_k in (0, 1, 17, 900):
        together = draw_rows(rows, top_k, Settings.of(params, numbers)).tolist()
        alone = [
            draw_rows(rows[n : n + 1], top_k, Settings.of(params[n : n + 1], numbers[n : n + 1])) for n in range(6)
        ]
        assert together == [int(one[0]) for one in alone]


def test_what_fails_for_one_row_is_told_for_that_row(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(4, VOCAB)
    sequences = [sequence(seed=n, top_k=5, repetition_penalty=1.5) for n in range(4)]
    wanted = sample(logits.clone(), sequences)

    def broken(row: np.ndarray, tokens: np.ndarray) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sequences[1].adjuster, "apply", broken)
    sequences[2].seed = 2**80
    outcomes = sample(logits, sequences)
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert isinstance(outcomes[2], OverflowError)
    assert (outcomes[0], outcomes[3]) == (wanted[0], wanted[3])
