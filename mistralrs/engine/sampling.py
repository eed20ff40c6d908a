"""Chooses the next tokens. The order of the steps is the original's; every one of them works on a row of its own.

Rows are handled with numpy on the host: one thread, no parallel region that would fight the model's, and a row's
result cannot depend on its neighbours. No step sorts the vocabulary: the few largest logits are found by selection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Items
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mistralrs.engine.request import SamplingParams, TokenLogprob
from mistralrs.engine.sequence import Sequence
from mistralrs.errors import EngineError

Row = NDArray[np.float32]
Ints = NDArray[np.int64]

LOWEST_LOGPROB = -9999.0
"""Stands for the logarithm of zero, which JSON cannot carry."""

GROUP = 64
"""Logits are searched in groups of this many."""

FIRST_CANDIDATES = 256
"""How many of the largest logits top-p looks at first, if there is no top-k to limit them."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A chosen token; with log-probabilities of the raw distribution if the request asked for them."""

    token: int
    logprob: TokenLogprob | None = None
    top: tuple[TokenLogprob, ...] = ()


class NumericalError(EngineError):
    """A row of logits holds NaN or infinity."""

    def __init__(self) -> None:
        super().__init__("the model produced numbers that are not finite", code="numerical_error")


Outcome = Sampled | Exception


def sample(logits: Tensor, sequences: Items[Sequence]) -> list[Outcome]:
    """The next token of each sequence from its row of ``logits`` ``[len(sequences), vocab]``.

    What goes wrong with a row is returned in its place: the other rows are not affected.
    """
    if all(sequence.is_greedy for sequence in sequences):
        return _largest(logits)
    rows: NDArray[np.float32] = logits.float().cpu().numpy()
    return [_attempt(row, sequence) for row, sequence in zip(rows, sequences, strict=True)]


def _largest(logits: Tensor) -> list[Outcome]:
    """The most likely token of every row, in one go."""
    if logits.device.type == "cpu":
        rows = logits.float().numpy()
        tokens = rows.argmax(axis=1)
        values = np.take_along_axis(rows, tokens[:, None], axis=1)[:, 0]  # argmax finds NaN before all numbers
    else:
        largest = logits.max(dim=1)
        values, tokens = largest.values.cpu().numpy(), largest.indices.cpu().numpy()
    finite = np.isfinite(values).tolist()
    return [Sampled(token) if good else NumericalError() for token, good in zip(tokens.tolist(), finite, strict=True)]


def _attempt(row: Row, sequence: Sequence) -> Outcome:
    try:
        return _sample_row(row, sequence)
    except Exception as error:
        return error


def _sample_row(row: Row, sequence: Sequence) -> Sampled:
    """One token, with everything a request can ask for."""
    if not math.isfinite(row.max()):
        raise NumericalError
    raw = row
    if sequence.adjuster is not None:
        row = row.copy()
        sequence.adjuster.apply(row, sequence.tokens.array)
    sampling = sequence.sampling
    token = int(row.argmax()) if sampling.is_greedy else draw(row, sampling, uniform(sequence.seed, sequence.generated))
    if sampling.top_logprobs is None:
        return Sampled(token)
    return Sampled(token, *log_probabilities(raw, token, sampling.top_logprobs))


def uniform(seed: int, index: int) -> float:
    """The ``index``-th number in [0, 1) of the stream ``seed``.

    A pure function instead of a generator's state: preemption, retries and neighbours cannot shift the stream.
    """
    digest = blake2b(index.to_bytes(8), key=seed.to_bytes(9, signed=True), digest_size=8).digest()
    return (int.from_bytes(digest) >> 12) * 2.0**-52


def draw(row: Row, sampling: SamplingParams, number: float) -> int:
    """The token that ``number`` in [0, 1) picks from the filtered distribution of ``row``.

    Temperature, softmax, top-k, top-p, min-p, multinomial. The softmax is not normalised, as every filter is relative:
    top-p keeps the most likely tokens up to the one that reaches ``top_p`` of what top-k left, min-p those above
    ``min_p`` times the largest.
    """
    has_top_k = 0 < sampling.top_k < len(row)
    has_top_p = 0 < sampling.top_p < 1
    if has_top_k:
        tokens = largest_indices(row, sampling.top_k)
        weights = _weights(row[tokens], row[tokens[0]], sampling.temperature)
        if has_top_p:
            weights = weights[: _nucleus(weights, sampling.top_p * weights.sum())]
    elif has_top_p:
        tokens, weights = _most_likely(row, sampling)
    else:
        tokens, weights = None, _weights(row, row.max(), sampling.temperature)
    if 0 < sampling.min_p < 1:
        weights[weights <= sampling.min_p] = 0  # the largest weight is 1
    choice = _pick(weights, number)
    return choice if tokens is None else int(tokens[choice])


def _weights(row: Row, largest: np.float32, temperature: float) -> Row:
    """``exp((row - largest) / temperature)``: probabilities but for a common factor."""
    with np.errstate(over="ignore"):  # what overflows is minus infinity, whose exponential is the 0 it should be
        weights = row - largest
        if temperature != 1:
            weights /= np.float32(temperature)
    np.exp(weights, out=weights)
    return weights


def _nucleus(weights: Row, cutoff: float) -> int:
    """How many of the descending ``weights`` it takes to reach ``cutoff``, the one that crosses it included."""
    return int(np.searchsorted(np.cumsum(weights, dtype=np.float64), cutoff)) + 1


def _most_likely(row: Row, sampling: SamplingParams) -> tuple[Ints, Row]:
    """Top-p over the whole vocabulary: tokens and weights of the nucleus, most likely first."""
    weights = _weights(row, row.max(), sampling.temperature)
    cutoff = sampling.top_p * float(weights.sum(dtype=np.float64))
    count = FIRST_CANDIDATES
    while True:
        tokens = largest_indices(row, min(count, len(row)))
        kept = _nucleus(weights[tokens], cutoff)
        if kept <= len(tokens) or len(tokens) == len(row):
            return tokens[:kept], weights[tokens[:kept]]
        count *= 16


def largest_indices(row: Row, count: int) -> Ints:
    """Indices of the ``count`` largest numbers, largest first, equal ones in the order of the row.

    The groups with the ``count`` largest maxima must contain them, so only those are looked into.
    """
    groups = len(row) // GROUP
    if count * 8 > groups:
        candidates = np.arange(len(row))
    else:
        peaks = row[: groups * GROUP].reshape(groups, GROUP).max(axis=1)
        best = np.argpartition(peaks, groups - count)[groups - count :]
        inside = (np.sort(best)[:, None] * GROUP + np.arange(GROUP)).ravel()
        candidates = np.concatenate([inside, np.arange(groups * GROUP, len(row))])
    values = row[candidates]
    if count < len(values):
        chosen = np.sort(np.argpartition(values, len(values) - count)[len(values) - count :])
        candidates, values = candidates[chosen], values[chosen]
    order: Ints = candidates[np.argsort(-values, kind="stable")]
    return order


def _pick(weights: Row, number: float) -> int:
    """Index drawn in proportion to ``weights``: inverse of their running sum, first by group, then inside one."""
    starts = np.arange(0, len(weights), GROUP)
    sums = np.cumsum(np.add.reduceat(weights, starts), dtype=np.float64)
    target = number * sums[-1]
    group = int(np.searchsorted(sums, target, side="right"))
    inside = np.cumsum(weights[starts[group] : starts[group] + GROUP], dtype=np.float64)
    rest = target - (sums[group - 1] if group else 0.0)
    index = int(np.searchsorted(inside, rest, side="right"))
    if index == len(inside):  # the two sums round differently
        index = int(np.flatnonzero(weights[starts[group] : starts[group] + GROUP])[-1])
    return int(starts[group]) + index


def log_probabilities(row: Row, token: int, count: int) -> tuple[TokenLogprob, tuple[TokenLogprob, ...]]:
    """The log-probability of ``token`` and those of the ``count`` most likely tokens under softmax of ``row``."""
    largest = float(row.max())
    total = largest + math.log(float(np.exp(row - row.max()).sum(dtype=np.float64)))

    def of(index: int) -> TokenLogprob:
        return TokenLogprob(index, max(float(row[index]) - total, LOWEST_LOGPROB))

    top = largest_indices(row, min(count, len(row))).tolist() if count else []
    return of(token), tuple(of(index) for index in top)
