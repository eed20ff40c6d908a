"""Q6_K packed for products: values of six bits in an order that takes few instructions to unpack.

A packed super-block holds the factor of each of eight rows; for each group of 16 values the scales of the eight rows,
a byte each; and for each group three words of four bytes, each word of all rows. A word is two times 16 bits, which
:func:`unpack` and products keep apart: the first and third of four values, or the second and fourth, lie at the same
place of both. In those 16 bits, from the lowest on::

    first word     6 bits: first of values 0-3    6: second of values 0-3     4: low bits of the first of values 12-15
    second word    6 bits: first of values 4-7    6: second of values 4-7     4: low bits of the second of values 12-15
    third word     6 bits: first of values 8-11   6: second of values 8-11    2 and 2: the upper bits of these two

So a vector of 16-bit integers is one mask away for six of eight, or none at all: a product with a value that lies six
bits up is 64 times too large, which the sum of all of them makes good by one shift.
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
from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS

BLOCK_BYTES = 210
GROUPS = 16
_SCALES = 2 * ROWS
_WORDS = _SCALES + GROUPS * ROWS

# Where the parts of a block lie in a file (ggml-common.h): four low bits of each value come first.
_UPPER_AT, _SCALES_AT, _FACTOR_AT = 128, 192, 208


@inline
def _four(block: Any, g: Any, i: Any) -> Any:
    """Values ``4 i`` to ``4 i + 3`` of group ``g`` of a file's block, a byte each."""
    half, quarter, at = g >> 3, (g >> 1) & 3, 16 * (g & 1) + 4 * i
    low = load_u32(block + 64 * half + 32 * (quarter & 1) + at) >> (4 * (quarter >> 1))
    upper = load_u32(block + _UPPER_AT + 32 * half + at) >> (2 * quarter)
    return (low & 0x0F0F0F0F) | ((upper & 0x03030303) << 4)


@inline
def _pack_group(block: Any, g: Any, target: Any) -> None:
    """16 values of one row to three words, the words of all rows apart."""
    fours = _four(block, g, 3)
    first, second = fours & 0x003F003F, (fours >> 8) & 0x003F003F
    upper = ((first & 0x00300030) << 8) | ((second & 0x00300030) << 10)
    for i in range(3):
        fours = _four(block, g, i)
        word = (fours & 0x003F003F) | ((fours >> 2) & 0x0FC00FC0)
        last = upper if i == 2 else ((first if i == 0 else second) & 0x000F000F) << 12
        store_u32(target + 4 * ROWS * i, word | last)


def pack(args: int, chunk: int, thread: int) -> None:
    """Eight rows a chunk. Arguments: rows of a file's blocks, bytes of a row, rows; target."""
    source, row_bytes, rows = load_i64(args), load_i64(args + 8), load_i64(args + 16)
    target = load_i64(args + 24) + chunk * ROWS * row_bytes
    for b in range(row_bytes // BLOCK_BYTES):
        to = target + ROWS * BLOCK_BYTES * b
        for row in range(ROWS):
            block = source + min(chunk * ROWS + row, rows - 1) * row_bytes + b * BLOCK_BYTES
            store_u16(to + 2 * row, load_u16(block + _FACTOR_AT))
            for g in range(GROUPS):
                store_u8(to + _SCALES + ROWS * g + row, load_u8(block + _SCALES_AT + g))
                _pack_group(block, g, to + _WORDS + 12 * ROWS * g + 4 * row)
