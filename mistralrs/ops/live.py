"""What a request changes in its logits, kept where kernels read it and taken further with every token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mistralrs.ops.adjustments import Ints, RowChanges

RECORD_WORDS = 19
_HISTORY, _BREAKERS, _SEEN, _COUNTS, _SEEN_SIZE, _BIASED, _NOTES = 6, 8, 10, 11, 12, 13, 16
_LEAST_ROOM = 64


class LiveChanges:
    """One request's :class:`RowChanges` while its answer grows: nothing is put together anew for a step.

    ``record`` says where all of it is in main memory, so it must not outlive this object; :meth:`observe` changes it.
    Int64 words:

    - 0 to 5: the settings, as float64;
    - 6 and 7: address and size of the history; 8 and 9: of the breakers;
    - 10, 11 and 12: addresses of the tokens to penalise and of their counts; how many;
    - 13, 14 and 15: addresses of the biased tokens and of their biases; how many;
    - 16, 17 and 18: room for whoever changes logits in place to note what was there: addresses of int64 places and of
      float32 values, one for each token of all these lists but the breakers; how many are noted.
    """

    __slots__ = (
        "_arrays", "_capacity", "_counts", "_fixed", "_history", "_index", "_observed", "_penalises", "_repeats",
        "_seen", "_settings", "_words", "record",
    )  # fmt: skip

    def __init__(
        self,
        settings: tuple[float, float, float, float, float, float],
        prompt: Ints,
        breakers: Ints,
        biased: Ints,
        bias: NDArray[np.float64],
    ) -> None:
        """``settings``, ``breakers`` (rising), ``biased`` and ``bias`` as in :class:`RowChanges`."""
        self._settings = settings
        self._fixed = breakers, biased, bias
        self._repeats = settings[0] != 0
        self._penalises = settings[3:] != (1, 0, 0)
        self._observed = 0
        seen = np.unique(prompt) if settings[3] != 1 else prompt[:0]
        self._index = {token: index for index, token in enumerate(seen.tolist())}
        self.record: Ints = np.zeros(RECORD_WORDS, dtype=np.int64)
        self.record[:_HISTORY] = np.array(settings, dtype=np.float64).view(np.int64)
        self._words = _numbers(self.record)
        self._words[_BREAKERS], self._words[_BREAKERS + 1] = breakers.ctypes.data, len(breakers)
        self._words[_BIASED], self._words[_BIASED + 1] = biased.ctypes.data, bias.ctypes.data
        self._words[_BIASED + 2] = len(biased)
        self._words[_HISTORY + 1], self._words[_SEEN_SIZE] = len(prompt) if self._repeats else 0, len(seen)
        self._make_room(prompt if self._repeats else prompt[:0], seen, np.zeros_like(seen))

    def observe(self, token: int) -> None:
        """Count a token of the answer."""
        if self._observed == self._capacity:
            self._make_room(*self._grown())
        self._observed += 1
        words = self._words
        if self._repeats:
            size = words[_HISTORY + 1]
            self._history[size] = token
            words[_HISTORY + 1] = size + 1
        if self._penalises:
            size = words[_SEEN_SIZE]
            index = self._index.setdefault(token, size)
            if index == size:
                self._seen[index] = token
                words[_SEEN_SIZE] = size + 1
            self._counts[index] += 1

    def changes(self) -> RowChanges:
        """What to change now; the arrays are valid until the next token."""
        breakers, biased, bias = self._fixed
        history, seen, counts = self._grown()
        return RowChanges(self._settings, history, breakers, seen, counts, biased, bias)

    def _grown(self) -> tuple[Ints, Ints, Ints]:
        history, seen, counts = self._arrays[:3]
        size = self._words[_SEEN_SIZE]
        return history[: self._words[_HISTORY + 1]], seen[:size], counts[:size]

    def _make_room(self, history: Ints, seen: Ints, counts: Ints) -> None:
        """Move to arrays that take as many tokens again as the answer has."""
        room = np.zeros(max(_LEAST_ROOM, self._observed), dtype=np.int64)
        self._capacity = self._observed + len(room)
        grown = [np.concatenate([array, room]) for array in (history, seen, counts)]
        noted = len(grown[0]) + len(grown[1]) + len(self._fixed[1])
        self._arrays = (*grown, np.empty(noted, dtype=np.int64), np.empty(noted, dtype=np.float32))
        self._history, self._seen, self._counts = map(_numbers, grown)
        for word, array in zip((_HISTORY, _SEEN, _COUNTS, _NOTES, _NOTES + 1), self._arrays, strict=True):
            self._words[word] = array.ctypes.data


class Choice:
    """How the tokens of a step are chosen when there is more to it than a draw, and what is told of them.

    ``settings`` float64 ``[rows, 5]`` are those of :meth:`Ops.draw`. ``changes`` int64 ``[rows]`` are the addresses of
    the records of each row's :class:`LiveChanges`, or 0: a row's logits are changed as :meth:`Ops.adjust` does before
    its token is drawn, and restored after that. ``wanted`` int64 ``[rows]`` says for how many of a row's likeliest
    tokens the log-probability is told, next to that of its own: below 0 not even this. Tokens go into ``tokens`` int64
    ``[rows, 1 + most]``, the row's own first, their log-probabilities, -9999 at least, into ``logprobs`` float64 of the
    same shape; a row without a token is not told of.
    """

    __slots__ = ("changes", "held", "logprobs", "settings", "tokens", "wanted")

    def __init__(self, settings: Tensor, held: Sequence[LiveChanges | None], wanted: Sequence[int]) -> None:
        """``held`` are the changes of each row, ``wanted`` as above and at most the size of a row."""
        self.held = tuple(held)
        self.settings = settings
        records = [0 if each is None else each.record.ctypes.data for each in self.held]
        self.changes = torch.tensor(records, dtype=torch.int64)
        self.wanted = torch.tensor(wanted, dtype=torch.int64)
        most = max(wanted, default=-1)
        self.tokens = torch.zeros(len(wanted), 1 + most, dtype=torch.int64)
        self.logprobs = torch.zeros(len(wanted), 1 + most, dtype=torch.float64)


def _numbers(array: Ints) -> Any:
    """A view through which single numbers are read and written several times as fast."""
    return memoryview(array)  # type: ignore[arg-type]
