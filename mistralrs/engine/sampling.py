"""Chooses the next tokens, in the original's order: DRY, penalties, bias, then a draw or the most likely token."""

from __future__ import annotations

import math
from collections.abc import Sequence as Items
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from torch import Tensor

from mistralrs.engine.candidates import Logits, Rows
from mistralrs.engine.draws import Settings, draw, probabilities
from mistralrs.engine.request import TokenLogprob
from mistralrs.engine.sequence import Sequence
from mistralrs.errors import EngineError

LOWEST_LOGPROB = -9999.0
"""Stands for the logarithm of zero, which JSON cannot carry."""


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
    """The next token of each sequence from its row of ``logits`` ``[len(sequences), vocab]``, which is overwritten.

    What goes wrong with a row is returned in its place: the other rows are not affected.
    """
    if all(sequence.is_greedy for sequence in sequences):
        return _most_likely(logits)
    rows: Rows = logits.float().cpu().numpy()
    outcomes: dict[int, Outcome] = {}
    raw: dict[int, Rows] = {}
    for index, (row, sequence) in enumerate(zip(rows, sequences, strict=True)):
        try:
            raw[index] = _adjust(row, sequence)
        except Exception as error:
            outcomes[index] = error
    found = Logits(rows)
    for index, finite in enumerate(np.isfinite(found.maxima).tolist()):
        if not finite:
            outcomes[index] = NumericalError()
    for members in _alike(sequences, [index for index in raw if index not in outcomes]):
        for index, token in zip(members, _choose_each(found, members, sequences), strict=True):
            outcomes[index] = _report(token, raw[index], sequences[index])
    return [outcomes[index] for index in range(len(sequences))]


def uniform(seed: int, index: int) -> float:
    """The ``index``-th number in [0, 1) of the stream ``seed``.

    A pure function instead of a generator's state: preemption, retries and neighbours cannot shift the stream.
    """
    digest = blake2b(index.to_bytes(8), key=seed.to_bytes(9, signed=True), digest_size=8).digest()
    return (int.from_bytes(digest) >> 12) * 2.0**-52


def log_probabilities(row: Rows, token: int, count: int) -> tuple[TokenLogprob, tuple[TokenLogprob, ...]]:
    """The log-probability of ``token`` and those of the ``count`` most likely tokens under softmax of ``row``."""
    likeliest = int(row.argmax())
    total = float(row[likeliest]) - math.log(float(probabilities(row)[likeliest]))

    def of(index: int) -> TokenLogprob:
        return TokenLogprob(index, max(float(row[index]) - total, LOWEST_LOGPROB))

    top = Logits(row[None]).largest(np.zeros(1, np.int64), min(count, len(row)))[0].tolist() if count else []
    return of(token), tuple(of(index) for index in top)


def _most_likely(logits: Tensor) -> list[Outcome]:
    """The most likely token of every row, in one go."""
    if logits.device.type == "cpu":
        rows = logits.float().numpy()
        tokens = rows.argmax(axis=1)
        values = rows[np.arange(len(rows)), tokens]  # argmax takes NaN for the largest, so this finds it
    else:
        largest = logits.float().max(dim=1)
        values, tokens = largest.values.cpu().numpy(), largest.indices.cpu().numpy()
    finite = np.isfinite(values).tolist()
    return [Sampled(t) if good else NumericalError() for t, good in zip(tokens.tolist(), finite, strict=True)]


def _adjust(row: Rows, sequence: Sequence) -> Rows:
    """Apply DRY, penalties and bias in place; returns the row that log-probabilities are taken from."""
    if sequence.adjuster is None:
        return row
    if not np.isfinite(row.max()):
        raise NumericalError  # the adjuster would make an infinite logit a large one
    raw = row if sequence.sampling.top_logprobs is None else row.copy()
    sequence.adjuster.apply(row, sequence.tokens.array)
    return raw


def _alike(sequences: Items[Sequence], indices: Items[int]) -> list[list[int]]:
    """Rows that can be drawn together: those with the same top-k. Greedy ones are top-1."""
    groups: dict[int, list[int]] = {}
    for index in indices:
        sampling = sequences[index].sampling
        groups.setdefault(-1 if sampling.is_greedy else sampling.top_k, []).append(index)
    return list(groups.values())


def _choose_each(found: Logits, members: list[int], sequences: Items[Sequence]) -> Items[int | Exception]:
    """All at once; if that fails, each alone, so that only the guilty one has no token."""
    try:
        return _choose(found, members, sequences)
    except Exception as error:
        if len(members) == 1:
            return [error]
    return [token for index in members for token in _choose_each(found, [index], sequences)]


def _choose(found: Logits, members: list[int], sequences: Items[Sequence]) -> list[int]:
    """The next token of each of ``members``, which are alike."""
    params = [sequences[index].sampling for index in members]
    if params[0].is_greedy:
        return [int(found.rows[index].argmax()) for index in members]
    numbers = [uniform(sequences[index].seed, sequences[index].generated) for index in members]
    tokens: list[int] = draw(found, np.array(members), params[0].top_k, Settings.of(params, numbers)).tolist()
    return tokens


def _report(token: int | Exception, raw: Rows, sequence: Sequence) -> Outcome:
    count = sequence.sampling.top_logprobs
    if isinstance(token, Exception):
        return token
    if count is None:
        return Sampled(token)
    try:
        return Sampled(token, *log_probabilities(raw, token, count))
    except Exception as error:
        return error
