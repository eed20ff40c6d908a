"""What a step is given for its output: memory for logits, and how the next tokens are to be drawn from them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mistralrs.engine.sampling import Outcome, draw_settings, number_of, outcomes, stream, told
from mistralrs.engine.sequence import Sequence
from mistralrs.ops import Choice, StepOutput


class StepOutputs:
    """Makes a :class:`StepOutput` for the sequences of a step: the last one again, while these stay the same."""

    def __init__(self, vocab_size: int) -> None:
        self._logits = torch.empty(0, vocab_size)
        self._begin([])

    def of(self, sequences: list[Sequence]) -> StepOutput:
        """Where the logits of ``sequences`` go, and how their tokens are chosen."""
        if sequences != self._sequences:
            self._begin(sequences)
        for row, sequence, start in self._random:
            self._numbers[row] = number_of(start, sequence.generated)
        self._output.drawn = False
        return self._output

    def drawn(self) -> list[Outcome] | None:
        """What became of each row, if the step has drawn."""
        if not self._output.drawn:
            return None
        tokens = self._tokens.tolist()
        if not self._counts:
            return outcomes(tokens)
        found: list[Outcome] = [*told(*self._told, self._counts)]
        for row, token in enumerate(tokens):
            if token < 0 or self._counts[row] < 0:
                found[row : row + 1] = outcomes([token])
        return found

    def forget(self) -> None:
        """Let go of the sequences."""
        self._begin([])

    def _begin(self, sequences: list[Sequence]) -> None:
        rows, vocab = len(sequences), self._logits.shape[1]
        if rows > len(self._logits):
            self._logits = torch.empty(1 << (rows - 1).bit_length(), vocab)
        self._sequences = sequences
        self._random: list[tuple[int, Sequence, int]] = []
        self._counts: list[int] = []
        choice, settings = None, _settings(sequences)
        if settings is not None:
            self._numbers: Any = memoryview(settings[:, -1].numpy())  # type: ignore[arg-type]
            random = [each for each in enumerate(sequences) if not each[1].sampling.is_greedy]
            self._random = [(row, sequence, stream(sequence.seed)) for row, sequence in random]
            choice = _choice(sequences, settings, vocab)
        if choice is not None and choice.tokens.numel():
            self._counts, self._told = choice.wanted.tolist(), (choice.tokens.numpy(), choice.logprobs.numpy())
        tokens = torch.empty(rows, dtype=torch.int64)
        self._tokens = memoryview(tokens.numpy())  # type: ignore[arg-type]
        self._output = StepOutput(self._logits[:rows], tokens, None if choice else settings, choice)


def _settings(sequences: list[Sequence]) -> Tensor | None:
    """How to draw from each row; None if a request's wishes cannot be read, which sampling then says of its row."""
    try:
        return torch.tensor([draw_settings(sequence) for sequence in sequences], dtype=torch.float64).view(-1, 5)
    except Exception:
        return None


def _choice(sequences: list[Sequence], settings: Tensor, vocab: int) -> Choice | None:
    """What there is to do besides drawing."""
    adjusters = [sequence.adjuster for sequence in sequences]
    counts = [sequence.sampling.top_logprobs for sequence in sequences]
    wanted = [-1 if count is None else min(count, vocab) for count in counts]
    return Choice(settings, adjusters, wanted) if any(adjusters) or max(wanted, default=-1) >= 0 else None
