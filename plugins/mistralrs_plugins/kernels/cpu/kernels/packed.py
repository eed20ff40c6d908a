"""Weights packed for products: eight rows side by side, so that one vector holds the same place of all eight.

Eight rows of a file's blocks become eight-row blocks of the same bytes in another order. First come the block's
factors, of two bytes or one: those of all eight rows, then the next one's. Then its words of four bytes: the first word
of all eight rows, 32 bytes together, then the second, and so on. A product's vector then sums for eight rows at once,
eight factors are converted together, and no sum is spread over lanes. Beyond the last row, rows are repeated.
Q6_K has an order of its own (:mod:`.sixbits`).

Values are unpacked to 16 bits and multiplied with activations of 16 bits (:mod:`.activations`). A type says how, by
functions of the eight-row block at ``p``:

``open_block(p)``     what is read once a block, as a tuple
``unpack(p, j, i)``   values ``32 j + 4 i`` and the three after it, of all rows, as two vectors: the first and third of
                      each row, and the second and fourth
``scale(p, h, g)``    the factors of group ``g``, one for each row
``minimum(p, h, g)``  what is added to every value of group ``g`` after scaling; None where there is none
``dots(p, k, x)``     the integers of group ``2 k`` times activations ``x`` of one row, summed, and of group ``2 k + 1``
                      times those after them; where a block is one group, two halves of its sum; None where multiplying
                      what ``unpack`` gives is as good

so that ``weight = scale * (value + offset) + sign * minimum``. ``h`` is what ``open_block`` returned.
"""

from __future__ import annotations

from typing import Any

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_i64,
    load_u8,
    load_u16,
    load_u32,
    store_u8,
    store_u16,
    store_u32,
)
from mistralrs_plugins.kernels.cpu.kernels import packed32, packed256
from mistralrs_plugins.kernels.cpu.kernels.layout import PackedLayout
from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS


def packed_layout(name: str) -> PackedLayout:
    """The description of a layout by the name that files and the core know it by."""
    found: PackedLayout = getattr(packed256 if name.endswith("_k") else packed32, name.upper())
    return found


@inline
def _every_fourth(word: Any) -> Any:
    """Bits 0, 4, 8 and so on of 32, as the lowest eight."""
    word &= 0x11111111
    word = (word | (word >> 3)) & 0x03030303
    word = (word | (word >> 6)) & 0x000F000F
    return (word | (word >> 12)) & 0xFF


@inline
def fifth_bits(word: Any) -> Any:
    """32 bits, one for each value of a block, in the order in which :mod:`.packed32` wants them.

    The bit of value ``4 i + k`` goes to bit ``i`` of byte ``0, 1, 2, 3`` for ``k = 0, 1, 2, 3``: what one vector of
    16-bit integers needs of them then lies ``i`` or ``i + 8`` bits up in each.
    """
    low = _every_fourth(word) | (_every_fourth(word >> 1) << 8)
    return low | (_every_fourth(word >> 2) << 16) | (_every_fourth(word >> 3) << 24)


def pack(args: int, chunk: int, thread: int) -> None:
    """Eight rows a chunk. Arguments: rows of a file's blocks, bytes of a row, rows; target; bytes of a block; bytes
    before its factors, number of factors; bytes before its words, number of words; whether the first holds fifth bits;
    bytes of a factor, one or two.
    """
    source, row_bytes, rows = load_i64(args), load_i64(args + 8), load_i64(args + 16)
    target = load_i64(args + 24) + chunk * ROWS * row_bytes
    block_bytes, factors_at, factors = load_i64(args + 32), load_i64(args + 40), load_i64(args + 48)
    words_at, words, fifth = load_i64(args + 56), load_i64(args + 64), load_i64(args + 72)
    factor_bytes = load_i64(args + 80)
    for b in range(row_bytes // block_bytes):
        to = target + ROWS * block_bytes * b
        for row in range(ROWS):
            block = source + min(chunk * ROWS + row, rows - 1) * row_bytes + b * block_bytes
            if factor_bytes == 1:
                for i in range(factors):
                    store_u8(to + ROWS * i + row, load_u8(block + factors_at + i))
            else:
                for i in range(factors):
                    store_u16(to + 2 * (ROWS * i + row), load_u16(block + factors_at + 2 * i))
            at = to + factor_bytes * ROWS * factors + 4 * row
            for i in range(words):
                store_u32(at + 4 * ROWS * i, load_u32(block + words_at + 4 * i))
            if fifth != 0:
                store_u32(at, fifth_bits(load_u32(block + words_at)))
