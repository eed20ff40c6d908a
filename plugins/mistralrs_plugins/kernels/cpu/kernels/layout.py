"""What a block layout tells the kernels: as it lies in a file, and as products want it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BlockLayout:
    """One quantized type in a file. The functions are described in :mod:`.blocks32`.

    ``block_bytes`` hold ``block`` values; every ``group`` (32 or 16) of them share a scale. Without a ``minimum``
    values are signed.
    """

    block_bytes: int
    block: int
    group: int
    open_block: Any
    values: Any
    scale: Any
    minimum: Any

    @property
    def signed(self) -> bool:
        """Whether values are signed bytes."""
        return self.minimum is None


@dataclass(frozen=True)
class PackedLayout:
    """One quantized type with eight rows side by side. The functions are described in :mod:`.packed`.

    ``row_bytes`` of each row hold ``block`` values; every ``group`` (32 or 16) of them share a scale. ``offset`` is
    added to every value before scaling, ``sign`` times a minimum after it. ``dots`` is there where
    groups are multiplied with fewer instructions than by way of ``unpack``.
    """

    row_bytes: int
    block: int
    group: int
    offset: int
    open_block: Any
    unpack: Any
    scale: Any
    minimum: Any
    sign: int = 1
    dots: Any = None

    @property
    def block_bytes(self) -> int:
        """Bytes of a block of eight rows."""
        return 8 * self.row_bytes
