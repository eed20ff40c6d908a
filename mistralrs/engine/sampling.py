"""Chooses the next tokens, in the original's order: DRY, penalties, bias, then a draw or the most likely token."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mistralrs.engine.request import Likeliest, TokenLogprob
from mistralrs.engine.sequence import Sequence
from mistralrs.engine.vector import Ints
from mistralrs.errors import EngineError
from mistralrs.ops import Adjustments, Ops, RowChanges

LOWEST_LOGPROB = -9999.0
"""Stands for the logarithm of zero, which JSON cannot carry."""

GREEDY = (0.0,) * 5
"""Settings of :meth:`Ops.draw` for the most likely token."""


class Sampled(NamedTuple):
    """A chosen token; with log-probabilities of the raw distribution if the request asked for them."""

    token: int
    logprob: TokenLogprob | None = None
    top: Items[TokenLogprob] = ()


class NumericalError(EngineError):
    """A row of logits holds NaN or infinity."""

    def __init__(self) -> None:
        super().__init__("the model produced numbers that are not finite", code="numerical_error")


_WORD = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15

_SAMPLED: Callable[[tuple[int, TokenLogprob | None, Items[TokenLogprob]]], Sampled] = partial(tuple.__new__, Sampled)
_TOLD: Callable[[tuple[int, float]], TokenLogprob] = partial(tuple.__new__, TokenLogprob)
"""They make the named tuples without a call of Python's."""

Outcome = Sampled | Exception


def sample(ops: Ops, logits: Tensor, sequences: Items[Sequence]) -> list[Outcome]:
    """The next token of each sequence from its row of ``logits`` ``[len(sequences), vocab]``, which is overwritten.

    What goes wrong with a row is returned in its place: the other rows are not affected.
    """
    if not sequences:
        return []
    errors: dict[int, Exception] = {}
    before = None
    logits = logits.float()
    settings, adjusted = _wishes(sequences, errors)
    if adjusted:
        logits = logits.cpu().contiguous()
        before = ops.adjust(logits, Adjustments.of(list(adjusted), list(adjusted.values())))
    tokens = ops.draw(logits, torch.tensor(settings, dtype=torch.float64)).tolist()
    found = outcomes(tokens)
    wanted = {
        index: each.sampling.top_logprobs
        for index, each in enumerate(sequences)
        if each.sampling.top_logprobs is not None and tokens[index] >= 0
    }
    if wanted:
        if before is not None:
            ops.restore(logits, *before)
        rows = logits if len(wanted) == len(logits) else logits[list(wanted)]
        chosen = with_logprobs(ops, rows, [tokens[index] for index in wanted], list(wanted.values()))
        for index, outcome in zip(wanted, chosen, strict=True):
            found[index] = outcome
    for index, failure in errors.items():
        found[index] = failure
    return found


def outcomes(tokens: Items[int]) -> list[Outcome]:
    """What becomes of rows for which these tokens were drawn."""
    return [_SAMPLED((token, None, ())) if token >= 0 else NumericalError() for token in tokens]


def told(tokens: Ints, logprobs: NDArray[np.float64], counts: Items[int]) -> list[Sampled]:
    """The first of each row of ``tokens`` with its log-probability, and the next ``counts`` of them with theirs."""
    firsts = zip(tokens[:, 0].tolist(), logprobs[:, 0].tolist(), strict=True)
    all_tokens, all_logprobs = tokens.tobytes(), logprobs.tobytes()
    found, begin, width = [], 8, 8 * tokens.shape[1]
    for first, count in zip(firsts, counts, strict=True):
        end = begin + min(8 * count, width - 8)
        top = Likeliest(all_tokens[begin:end], all_logprobs[begin:end])
        found.append(_SAMPLED((first[0], _TOLD(first), top)))
        begin += width
    return found


def uniform(seed: int, index: int) -> float:
    """The ``index``-th number in [0, 1) of the stream ``seed``: SplitMix64 (Steele, Lea, Flood 2014) by its counter.

    A pure function instead of a generator's state: preemption, retries and neighbours cannot shift the stream.
    """
    return number_of(stream(seed), index)


def stream(seed: int) -> int:
    """Where the counter of a stream of numbers starts."""
    return _mix(seed & _WORD if seed >= 0 else ~seed & _WORD) + (seed < 0) * _GOLDEN


def number_of(start: int, index: int) -> float:
    """A number of the :func:`stream` that starts there."""
    return (_mix(start + 2 * index * _GOLDEN & _WORD) >> 12) * 2.0**-52


def _mix(x: int) -> int:
    """Spread what differs between 64-bit numbers over all their bits."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD
    return x ^ x >> 31


def with_logprobs(ops: Ops, rows: Tensor, tokens: Items[int], counts: Items[int]) -> list[Sampled]:
    """``tokens`` with their log-probabilities and those of each row's ``counts`` most likely, under its softmax."""
    totals, top = ops.likeliest(rows, max(counts))
    indices = torch.cat([torch.tensor(tokens)[:, None], top], dim=1)
    values = rows.gather(1, indices.to(rows.device)).cpu() - totals[:, None]
    return told(indices.numpy(), values.clamp(min=LOWEST_LOGPROB).numpy(), counts)


def draw_settings(sequence: Sequence) -> tuple[float, ...]:
    """The row of :meth:`Ops.draw`'s settings. ``top_p`` and ``min_p`` count only strictly between 0 and 1."""
    wanted = sequence.sampling
    if wanted.is_greedy:
        return GREEDY
    top_p, min_p = (share if 0 < share < 1 else 0.0 for share in (wanted.top_p, wanted.min_p))
    return wanted.temperature, wanted.top_k, top_p, min_p, uniform(sequence.seed, sequence.generated)


def _wishes(
    sequences: Items[Sequence], errors: dict[int, Exception]
) -> tuple[list[tuple[float, ...]], dict[int, RowChanges]]:
    """How to draw from each row, and what to change in which of them before; failures are noted in ``errors``."""
    settings: list[tuple[float, ...]] = []
    changes: dict[int, RowChanges] = {}
    for index, sequence in enumerate(sequences):
        try:
            settings.append(draw_settings(sequence))
            if sequence.adjuster is not None:
                changes[index] = sequence.adjuster.changes()
        except Exception as error:
            errors[index] = error
            settings[index:] = [GREEDY]
    return settings, changes
