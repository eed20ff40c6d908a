"""Chooses the next tokens, in the original's order: DRY, penalties, bias, then a draw or the most likely token."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from mistralrs.engine.request import TokenLogprob
from mistralrs.engine.sequence import Sequence
from mistralrs.errors import EngineError
from mistralrs.ops.ops import Ops

LOWEST_LOGPROB = -9999.0
"""Stands for the logarithm of zero, which JSON cannot carry."""

GREEDY = (0.0,) * 5
"""Settings of :meth:`Ops.draw` for the most likely token."""


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


def sample(ops: Ops, logits: Tensor, sequences: Items[Sequence]) -> list[Outcome]:
    """The next token of each sequence from its row of ``logits`` ``[len(sequences), vocab]``, which is overwritten.

    What goes wrong with a row is returned in its place: the other rows are not affected.
    """
    if not sequences:
        return []
    logits = logits.float()
    if any(sequence.adjuster is not None for sequence in sequences):
        logits = logits.cpu()
    told = [index for index, sequence in enumerate(sequences) if sequence.sampling.top_logprobs is not None]
    raw = logits.clone() if any(sequences[index].adjuster is not None for index in told) else logits
    settings: list[tuple[float, ...]] = [GREEDY] * len(sequences)
    outcomes: dict[int, Outcome] = {}
    for index, sequence in enumerate(sequences):
        try:
            settings[index] = _settings(sequence)
            _adjust(logits[index], sequence)
        except Exception as error:
            outcomes[index] = error
    tokens = ops.draw(logits, torch.tensor(settings, dtype=torch.float64)).tolist()
    for index, token in enumerate(tokens):
        if index not in outcomes:
            outcomes[index] = Sampled(token) if token >= 0 else NumericalError()
    told = [index for index in told if isinstance(outcomes[index], Sampled)]
    if told:
        rows = raw if len(told) == len(raw) else raw[told]
        counts = [sequences[index].sampling.top_logprobs or 0 for index in told]
        outcomes.update(zip(told, with_logprobs(ops, rows, [tokens[index] for index in told], counts), strict=True))
    return [outcomes[index] for index in range(len(sequences))]


def uniform(seed: int, index: int) -> float:
    """The ``index``-th number in [0, 1) of the stream ``seed``.

    A pure function instead of a generator's state: preemption, retries and neighbours cannot shift the stream.
    """
    digest = blake2b(index.to_bytes(8), key=seed.to_bytes(9, signed=True), digest_size=8).digest()
    return (int.from_bytes(digest) >> 12) * 2.0**-52


def with_logprobs(ops: Ops, rows: Tensor, tokens: Items[int], counts: Items[int]) -> list[Sampled]:
    """``tokens`` with their log-probabilities and those of each row's ``counts`` most likely, under its softmax."""
    totals, top = ops.likeliest(rows, max(counts))
    indices = torch.cat([torch.tensor(tokens)[:, None], top], dim=1)
    values = rows.gather(1, indices.to(rows.device)).cpu() - totals[:, None]
    lines = zip(indices.tolist(), values.clamp(min=LOWEST_LOGPROB).tolist(), counts, strict=True)
    told = [tuple(map(TokenLogprob, line[: 1 + count], given)) for line, given, count in lines]
    return [Sampled(each[0].token, each[0], each[1:]) for each in told]


def _settings(sequence: Sequence) -> tuple[float, ...]:
    """The row of :meth:`Ops.draw`'s settings. ``top_p`` and ``min_p`` count only strictly between 0 and 1."""
    wanted = sequence.sampling
    if wanted.is_greedy:
        return GREEDY
    top_p, min_p = (share if 0 < share < 1 else 0.0 for share in (wanted.top_p, wanted.min_p))
    return wanted.temperature, wanted.top_k, top_p, min_p, uniform(sequence.seed, sequence.generated)


def _adjust(row: Tensor, sequence: Sequence) -> None:
    """Apply DRY, penalties and bias in place."""
    if sequence.adjuster is None:
        return
    values = row.numpy()
    if not np.isfinite(values.max()):
        raise NumericalError  # the adjuster would make an infinite logit a large one
    sequence.adjuster.apply(values, sequence.tokens.array)
