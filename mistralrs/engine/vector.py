"""A list of numbers that numpy can read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class IntVector:
    """A list of int64 that grows at its end and can be read as an array without a copy."""

    __slots__ = ("_data", "_length", "cleared")

    def __init__(self, values: Iterable[int] | Ints = ()) -> None:
        self._data = np.array(values if isinstance(values, np.ndarray) else list(values), dtype=np.int64)
        self._length = len(self._data)
        self.cleared = 0
        """How often all values were forgotten: while this and the length are the same, so are the values."""

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        if not -self._length <= index < self._length:
            raise IndexError(f"{index} of a list of {self._length}")
        return self._data.item(index if index >= 0 else index + self._length)

    @property
    def last(self) -> int:
        """The value at the end of a list that has one."""
        return self._data.item(self._length - 1)

    @property
    def array(self) -> Ints:
        """The values; shares memory, valid until the next change of length."""
        return self._data[: self._length]

    def append(self, value: int) -> None:
        """Add one value at the end, in constant time on average."""
        if self._length == len(self._data):
            self._data = np.concatenate([self._data, np.zeros(max(16, self._length), dtype=np.int64)])
        self._data[self._length] = value
        self._length += 1

    def clear(self) -> None:
        """Forget all values, keep the memory."""
        self._length = 0
        self.cleared += 1
