"""What a block layout tells the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BlockLayout:
    """One quantized type. The functions are described in :mod:`.blocks32`.

    ``block_bytes`` hold ``block`` values; every ``group`` (32 or 16) of them share a scale. ``largest`` is the largest
    magnitude of a value. Without a ``minimum`` values are signed. Types with small blocks are multiplied four blocks
    at a time: ``four_factors`` and ``two_blocks`` are for that.
    """

    block_bytes: int
    block: int
    group: int
    largest: int
    open_block: Any
    values: Any
    scale: Any
    minimum: Any
    four_factors: Any = None
    two_blocks: Any = None

    @property
    def paired(self) -> bool:
        """Whether activations are wanted in the paired order (see :mod:`.activations`)."""
        return self.two_blocks is not None

    @property
    def signed(self) -> bool:
        """Whether values are signed bytes."""
        return self.minimum is None

    @property
    def run(self) -> int:
        """How many products of neighbours fit into 16 bits when they are added up, in fours of values.

        One is ``2 * largest * 127`` at most. It divides the fours of a group: 8 or 4.
        """
        room = 32767 // (2 * self.largest * 127)
        return next(run for run in (8, 4, 2, 1) if run <= min(room, self.group // 4))
