"""What is drawn: distributions against a plain reference, log-probabilities, bad rows, seeds."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import VOCAB

from mistralrs.engine.output import OutputText, TokenDecoder
from mistralrs.engine.penalties import LogitAdjuster
from mistralrs.engine.request import Generate, Likeliest, SamplingParams, TokenLogprob
from mistralrs.engine.sampling import (
    LOWEST_LOGPROB,
    NumericalError,
    Outcome,
    Sampled,
    sample,
    uniform,
    with_logprobs,
)
from mistralrs.engine.sequence import Sequence
from mistralrs.ops import Ops, OpTable
from mistralrs_plugins.kernels.cpu import threads as pool
from mistralrs_plugins.kernels.cpu.backend import CpuBackend
from mistralrs_plugins.kernels.torch.backend import TorchBackend

DRAWS = 100_000
REFERENCE, COMPILED = Ops(OpTable([TorchBackend()])), Ops(OpTable([CpuBackend(), TorchBackend()]))
both = pytest.mark.parametrize("ops", [REFERENCE, COMPILED], ids=["reference", "compiled"])


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


def draw_rows(ops: Ops, rows: np.ndarray, params: list[SamplingParams], numbers: list[float]) -> list[int]:
    lines = [
        (p.temperature, p.top_k, *(share if 0 < share < 1 else 0 for share in (p.top_p, p.min_p)), number)
        for p, number in zip(params, numbers, strict=True)
    ]
    tokens: list[int] = ops.draw(torch.from_numpy(rows), torch.tensor(lines, dtype=torch.float64)).tolist()
    return tokens


def draw(ops: Ops, row: np.ndarray, sampling: SamplingParams, *numbers: float) -> list[int]:
    """What each number draws from the same row."""
    return draw_rows(ops, np.tile(row, (len(numbers), 1)), [sampling] * len(numbers), list(numbers))


def largest_indices(ops: Ops, row: np.ndarray, count: int) -> list[int]:
    indices: list[int] = ops.likeliest(torch.from_numpy(row[None]), count)[1][0].tolist()
    return indices


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


@both
@pytest.mark.parametrize("size", [50, 1000])
@pytest.mark.parametrize("chosen", FILTERS, ids=str)
def test_every_token_owns_its_share_of_the_unit_interval(ops: Ops, size: int, chosen: dict[str, Any]) -> None:
    sampling = SamplingParams(**chosen)
    points = 4000
    logits = logits_of(size)
    tokens = draw(ops, logits, sampling, *((index + 0.5) / points for index in range(points)))
    counts = np.bincount(tokens, minlength=size)
    probabilities = reference(logits, sampling)
    assert counts[probabilities == 0].sum() == 0, "a filtered token was drawn"
    assert np.abs(counts - probabilities * points).max() <= 1.01


@pytest.mark.slow
@both
@pytest.mark.parametrize("chosen", FILTERS, ids=str)
def test_draws_follow_the_filtered_distribution(ops: Ops, chosen: dict[str, Any]) -> None:
    logits, sampling = logits_of(50), SamplingParams(**chosen)
    counts = np.zeros(len(logits))
    at_once = 1000
    for start in range(0, DRAWS, at_once):
        tokens = draw(ops, logits, sampling, *(uniform(11, index) for index in range(start, start + at_once)))
        np.add.at(counts, tokens, 1)
    probabilities = reference(logits, sampling)
    assert counts[probabilities == 0].sum() == 0, "a filtered token was drawn"
    statistic, freedom = chi_square(counts, probabilities)
    # Wilson and Hilferty: the cube root of chi-square over freedom is nearly normal; 4 deviations is 1 in 30,000.
    deviation = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    assert deviation < 4


@both
@settings(deadline=None)  # the first may compile
@given(st.integers(0, 2**32), st.floats(0, 1, exclude_max=True), st.sampled_from([3, 64, 65, 1000, 5000, 66_000]))
def test_every_number_picks_what_the_running_sum_says(ops: Ops, seed: int, number: float, size: int) -> None:
    logits = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    sums = np.cumsum(np.exp(logits.astype(np.float64) - logits.max()))
    (token,) = draw(ops, logits, SamplingParams(), number)
    below = sums[token - 1] if token else 0.0
    slack = 1e-5 * sums[-1]
    assert below - slack <= number * sums[-1] <= sums[token] + slack


@settings(deadline=None)  # the first may compile
@given(
    st.integers(0, 2**32),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=4, max_size=4),
    st.sampled_from([5, 64, 130, 3000, 66_000]),
    st.sampled_from([0.05, 0.7, 1.0, 3.0]),
    st.sampled_from([0, 1, 20, 200]),
    st.sampled_from([1.0, 0.5, 0.97]),
    st.sampled_from([0.0, 0.01, 0.3]),
)
def test_compiled_draws_stay_within_what_filters_leave(
    seed: int, numbers: list[float], size: int, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    """Filters leave the beginning of the sorted row; the number says where in it the token lies."""
    logits = (np.random.default_rng(seed).standard_normal(size) * 3).astype(np.float32)
    sampling = SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    probabilities = reference(logits, sampling)
    unfiltered = not 0 < top_k < size and top_p == 1 and min_p == 0
    order = np.arange(size) if unfiltered else np.argsort(-logits, kind="stable")
    ends = dict(zip(order.tolist(), probabilities[order].cumsum().tolist(), strict=True))
    for number, token in zip(numbers, draw(COMPILED, logits, sampling, *numbers), strict=True):
        assert ends[token] - probabilities[token] - 1e-5 <= number <= ends[token] + 1e-5


@both
@settings(deadline=None)  # the first may compile
@given(st.integers(0, 2**32), st.sampled_from([1, 5, 40, 300]), st.sampled_from([10, 63, 640, 30_000]))
def test_largest_indices_equal_a_full_sort(ops: Ops, seed: int, count: int, size: int) -> None:
    row = np.random.default_rng(seed).permutation(size).astype(np.float32)
    count = min(count, size)
    assert largest_indices(ops, row, count) == np.argsort(-row)[:count].tolist()


@both
def test_equal_logits_come_in_their_order(ops: Ops) -> None:
    assert largest_indices(ops, np.zeros(30_000, dtype=np.float32), 40) == list(range(40))


@both
def test_top_p_over_a_flat_distribution_looks_further(ops: Ops) -> None:
    row = np.zeros(20_000, dtype=np.float32)
    drawn = set(draw(ops, row, SamplingParams(top_p=0.9), *(uniform(0, i) for i in range(200))))
    assert len(drawn) > 150


@both
def test_masked_tokens_are_never_drawn(ops: Ops) -> None:
    row = np.full(1000, -np.inf, dtype=np.float32)
    row[[3, 998]] = 0
    for chosen in ({}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.01}):
        assert set(draw(ops, row, SamplingParams(**chosen), *(uniform(1, i) for i in range(100)))) <= {3, 998}


@both
@pytest.mark.parametrize("number", [0.0, 1 - 2.0**-52])
def test_the_ends_of_the_unit_interval(ops: Ops, number: float) -> None:
    row = np.full(130, -np.inf, dtype=np.float32)
    row[[5, 70, 100]] = 1
    assert draw(ops, row, SamplingParams(), number) == [5 if number == 0 else 100]


@both
def test_extreme_temperatures_and_logits(ops: Ops) -> None:
    row = np.array([3e38, -3e38, 2.9e38], dtype=np.float32)
    for temperature in (1.1e-7, 1e-3, 100.0):
        for top_k in (0, 2):
            assert draw(ops, row, SamplingParams(temperature=temperature, top_k=top_k), 0.5) == [0]


def test_uniform_numbers_are_reproducible_and_apart() -> None:
    assert uniform(1, 0) == uniform(1, 0)
    assert len({uniform(seed, index) for seed in (-1, 0, 1, 2**64 - 1) for index in range(100)}) == 400
    numbers = [uniform(3, i) for i in range(10_000)]
    assert abs(np.mean(numbers) - 0.5) < 0.02
    assert 0 <= min(numbers) < max(numbers) < 1


@both
def test_log_probabilities_are_those_of_the_raw_distribution(ops: Ops) -> None:
    row = torch.tensor([1.0, 3.0, 2.0, -torch.inf])
    wanted = torch.log_softmax(row, dim=0).tolist()
    (told,) = with_logprobs(ops, row[None], [0], [4])
    assert told.logprob is not None
    assert told.logprob.logprob == pytest.approx(wanted[0])
    assert [entry.token for entry in told.top] == [1, 2, 0, 3]
    assert [entry.logprob for entry in told.top] == pytest.approx([wanted[1], wanted[2], wanted[0], LOWEST_LOGPROB])


@both
@pytest.mark.parametrize("size", [7, 64, 1000, 50_001])
def test_log_probabilities_of_any_vocabulary(ops: Ops, size: int) -> None:
    rows = 4 * torch.randn(3, size, generator=torch.Generator().manual_seed(size))
    wanted = torch.log_softmax(rows.double(), dim=1).topk(min(20, size))
    for told, indices, values in zip(with_logprobs(ops, rows, [0] * 3, [20] * 3), *wanted[::-1], strict=True):
        assert [entry.token for entry in told.top] == indices.tolist()
        assert [entry.logprob for entry in told.top] == pytest.approx(values.tolist(), abs=2e-5)


def test_the_likeliest_are_a_sequence_like_any_other() -> None:
    entries = (TokenLogprob(4, -0.5), TokenLogprob(2, -1.0), TokenLogprob(9, -2.0))
    top = Likeliest(np.array([4, 2, 9]).tobytes(), np.array([-0.5, -1, -2]).tobytes())
    assert (len(top), top[1], tuple(top), top[1:]) == (3, entries[1], entries, entries[1:])
    assert entries[2] in top
    assert top == pickle.loads(pickle.dumps(top)) != top[:2]
    assert (hash(top), repr(top)) == (hash(entries), repr(entries))
    with pytest.raises(IndexError):
        top[3]


def sequence(**chosen: Any) -> Sequence:
    sampling = SamplingParams(**chosen)
    prompt = np.array([1, 2])
    return Sequence(
        Generate(id=1, prompt=(1, 2), sampling=sampling),
        prompt,
        seed=sampling.seed or 0,
        output=OutputText(TokenDecoder(None).stream(), ()),
        adjuster=LogitAdjuster(sampling, prompt) if LogitAdjuster.needed(sampling) else None,
        arrived_at=0.0,
    )


@both
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
@pytest.mark.parametrize(
    "chosen", [{"temperature": 0.0}, {"temperature": 1.0}, {"top_k": 4, "top_logprobs": 1}], ids=str
)
def test_a_bad_row_fails_alone(ops: Ops, bad: float | None, chosen: dict[str, Any]) -> None:
    logits = torch.randn(3, VOCAB)
    good = sample(ops, logits[[0, 2]], [sequence(**chosen)] * 2)
    if bad is None:
        logits[1] = -torch.inf
    else:
        logits[1, 77] = bad
    outcomes = sample(ops, logits, [sequence(**chosen)] * 3)
    assert isinstance(outcomes[1], NumericalError)
    assert outcomes[1].code == "numerical_error"
    assert [outcomes[0], outcomes[2]] == good


@both
def test_a_mixed_batch_equals_every_row_alone(ops: Ops) -> None:
    logits = torch.randn(5, VOCAB)
    sequences = [
        sequence(temperature=0.0),
        sequence(temperature=0.7, seed=5),
        sequence(temperature=0.7, seed=5, top_k=3, top_logprobs=2),
        sequence(temperature=0.0, logit_bias={9: 100.0}, top_logprobs=0),
        sequence(seed=9, top_p=0.5),
    ]
    together = sample(ops, logits.clone(), sequences)
    alone = [sample(ops, logits[i : i + 1].clone(), [one])[0] for i, one in enumerate(sequences)]
    assert together == alone
    biased = together[3]
    assert isinstance(biased, Sampled)
    assert biased.token == 9
    assert biased.logprob is not None
    raw = torch.log_softmax(logits[3], 0)[9].item()
    assert biased.logprob.logprob == pytest.approx(raw, abs=1e-5), "not of the biased distribution"
    assert biased.top == ()


@both
def test_rows_drawn_together_are_those_drawn_alone(ops: Ops) -> None:
    rows = np.random.default_rng(3).standard_normal((6, 5000)).astype(np.float32)
    numbers = [uniform(0, n) for n in range(6)]
    for top_k in (0, 1, 17, 900):
        params = [
            SamplingParams(temperature=0.5 + n / 4, top_p=0.7 + n / 20, min_p=n / 100, top_k=top_k) for n in range(6)
        ]
        alone = [draw(ops, row, one, number)[0] for row, one, number in zip(rows, params, numbers, strict=True)]
        assert draw_rows(ops, rows, params, numbers) == alone


@pytest.mark.parametrize("size", [65_600, 140_001])
def test_a_long_row_is_drawn_alike_whole_and_in_pieces(size: int) -> None:
    """Few rows are shared out in pieces, many are not: neither that nor the number of threads may show in a bit."""
    noise = np.random.default_rng(size).standard_normal((2, size)).astype(np.float32)
    rows = np.concatenate([noise, 3 * noise, np.round(4 * noise)])
    rows[4, 70:66_000] = -np.inf
    chosen = [*FILTERS, {"temperature": 0.0}, {"temperature": 3.0, "top_p": 0.97, "min_p": 0.001}]
    lines = [(row, SamplingParams(**each)) for row in rows for each in chosen]
    numbers = [uniform(5, index) for index in range(len(lines))]
    many = np.stack([row for row, _ in lines])
    found = []
    try:
        for threads in (1, 3):
            pool.set_threads(threads)
            together = draw_rows(COMPILED, many, [each for _, each in lines], numbers)
            alone = [draw(COMPILED, *line, number)[0] for line, number in zip(lines, numbers, strict=True)]
            totals = COMPILED.likeliest(torch.from_numpy(rows), 5)[0].tolist()
            totals_alone = [COMPILED.likeliest(torch.from_numpy(row[None]), 5)[0].item() for row in rows]
            found += [(together, totals), (alone, totals_alone)]
    finally:
        pool.reset()
    assert all(each == found[0] for each in found)
    assert all(token >= 0 for token in found[0][0])


@both
def test_what_fails_for_one_row_is_told_for_that_row(ops: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(4, VOCAB)
    sequences = [sequence(seed=n, top_k=5, repetition_penalty=1.5) for n in range(4)]
    wanted: list[Outcome] = sample(ops, logits.clone(), sequences)

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sequences[1].adjuster, "changes", broken)
    sequences[2].seed = None
    outcomes = sample(ops, logits, sequences)
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert isinstance(outcomes[2], TypeError)
    assert (outcomes[0], outcomes[3]) == (wanted[0], wanted[3])
