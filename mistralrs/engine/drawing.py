"""What a step is given for its output: memory for logits, and how the next tokens are to be drawn from them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mistralrs.engine.sampling import draw_settings, uniform
from mistralrs.engine.sequence import Sequence
from mistralrs.ops.step import StepOutput


class StepOutputs:
    """Makes a :class:`StepOutput` for the sequences of a step: the last one again, while these stay the same."""

    def __init__(self, vocab_size: int) -> None:
        self._logits = torch.empty(0, vocab_size)
        self._begin([])

    def of(self, sequences: list[Sequence]) -> StepOutput:
        """Where the logits of ``sequences`` go. Tokens can be drawn at once if no request changes its logits first."""
        if sequences != self._sequences:
            self._begin(sequences)
        for row, sequence in self._random:
            self._numbers[row] = uniform(sequence.seed, sequence.generated)
        self._output.drawn = False
        return self._output

    def drawn(self) -> list[int] | None:
        """The tokens, if the step has drawn them."""
        return self._tokens.tolist() if self._output.drawn else None

    def forget(self) -> None:
        """Let go of the sequences."""
        self._begin([])

    def _begin(self, sequences: list[Sequence]) -> None:
        rows = len(sequences)
        if rows > len(self._logits):
            self._logits = torch.empty(1 << (rows - 1).bit_length(), self._logits.shape[1])
        self._sequences = sequences
        self._random: list[tuple[int, Sequence]] = []
        self._numbers = np.empty(0)
        settings = None
        if rows and all(sequence.adjuster is None for sequence in sequences):
            settings = _settings(sequences)
        if settings is not None:
            self._numbers = settings[:, -1].numpy()
            self._random = [each for each in enumerate(sequences) if not each[1].sampling.is_greedy]
        tokens = torch.empty(rows, dtype=torch.int64)
        self._tokens = memoryview(tokens.numpy())  # type: ignore[arg-type]
        self._output = StepOutput(self._logits[:rows], tokens, settings)


def _settings(sequences: list[Sequence]) -> Tensor | None:
    """How to draw from each row; None if a request's wishes cannot be read, which sampling then says of its row."""
    try:
        return torch.tensor([draw_settings(sequence) for sequence in sequences], dtype=torch.float64)
    except Exception:
        return None
