"""The record that describes one storage layout."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from mistralrs.plugin.ref import Ref


@dataclass(frozen=True, slots=True)
class Layout:
    """How a tensor's values are stored.

    A row (the last dimension) is a sequence of blocks of ``block`` values in ``block_bytes`` bytes each; a plain
    float type is a layout with ``block == 1``. ``decode`` refers to a function ``(Tensor uint8 [n, block_bytes]) ->
    Tensor float32 [n, block]``; for plain types ``dtype`` names the torch dtype instead.
    """

    name: str
    block: int
    block_bytes: int
    decode: Ref | None = None
    dtype: str | None = None

    @property
    def dense(self) -> bool:
        """Whether values are stored one by one, without blocks."""
        return self.block == 1

    @property
    def bits_per_weight(self) -> float:
        """Storage cost of one value in bits, scales included."""
        return 8 * self.block_bytes / self.block

    def row_bytes(self, width: int) -> int:
        """Bytes of one row of ``width`` values. Raises ValueError when the width is no multiple of the block."""
        if width % self.block:
            raise ValueError(f"{self.name} rows come in blocks of {self.block}; {width} is not a multiple")
        return width // self.block * self.block_bytes

    def nbytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of a tensor of ``shape``; a scalar counts as a row of one."""
        width = shape[-1] if shape else 1
        return prod(shape[:-1]) * self.row_bytes(width)
