"""Calls that multiply with a weight, and those that bring activations into the form it wants."""

from __future__ import annotations

from collections.abc import Sequence

from mistralrs.layouts import LAYOUTS
from mistralrs_plugins.kernels.cpu.kernels.sizes import TILE_ROWS
from mistralrs_plugins.kernels.cpu.program.arguments import (
    AddressOf,
    Argument,
    Buffer,
    Call,
    Number,
    Place,
    Scratch,
    strided,
)
from mistralrs_plugins.kernels.cpu.program.weights import Table

_CHUNK_BYTES = 64 * 1024
"""Weights in one chunk of a product. Shorter runs break the processor's prefetching; longer ones leave threads idle."""
_TILE_BYTES = 17
"""Scratch memory for each value of a weight row: eight unpacked rows take 8 bytes and up to 8 for scales and minima."""


SINGLE = {Number.TOKENS: Number.SINGLES, Number.ROWS: Number.SINGLE_ROWS}
"""How many of the tokens, and of the wanted rows, are their sequence's only one in the step. They come first."""


def is_dense(layout: str) -> bool:
    """Whether a layout's products take activations as floats."""
    return LAYOUTS[layout].dense


def is_paired(layout: str) -> bool:
    """Whether a quantized layout's products take activations in the paired order: those of 32-value blocks do."""
    return LAYOUTS[layout].block == 32


def eight_bit_room(width: int) -> Place:
    """Room for rows of ``width`` values in 8 bits, with their scales and sums."""
    return Place(Buffer(width // 2 * 3), width)


def quantize_call(source: Sequence[Argument], width: int, rows: Number, target: Place, paired: bool) -> Call:
    """Rows of floats to 8 bits."""
    return Call("activations:quantize", [*source, width, *strided(target), int(paired)], per={rows: 1})


def decoded_call(
    layout: str,
    table: Table,
    rows: Number,
    source: Place,
    output: Sequence[Argument],
    *,
    bias: Argument,
    residual: Sequence[Argument],
) -> Call:
    """The same with activations as they are, for what comes after the single tokens: the prompts among ``rows``."""
    each = max(1, _CHUNK_BYTES // table.row_bytes // TILE_ROWS) * TILE_ROWS
    scratch = 4 * TILE_ROWS * table.width
    arguments: list[Argument] = [AddressOf(rows), *strided(source), table.width]
    arguments += [table.address, table.row_bytes, table.rows, *output, *residual]
    arguments += [bias, each, Scratch(scratch), scratch, AddressOf(SINGLE[rows])]
    return Call(f"decoded:make_product:{layout}", arguments, fixed=-(-table.rows // each))


def product_call(
    layout: str,
    table: Table,
    rows: Number,
    activations: Place | Sequence[Argument],
    output: Sequence[Argument],
    *,
    weight: Argument | None = None,
    bias: Argument = 0,
    residual: Sequence[Argument] = (0, 0),
) -> Call:
    """``output = activations @ weight.T + bias + residual``. ``weight`` stands in for the address in ``table``."""
    each = max(8, _CHUNK_BYTES // table.row_bytes // 8 * 8)
    given = strided(activations) if isinstance(activations, Place) else activations
    scratch = 0 if is_dense(layout) else _TILE_BYTES * table.width
    arguments: list[Argument] = [AddressOf(rows), *given, table.width]
    arguments += [table.address if weight is None else weight, table.row_bytes, table.rows, *output, *residual]
    arguments += [bias, each, Scratch(scratch), scratch]
    kernel = f"{'dense' if is_dense(layout) else 'product'}:make_product:{layout}"
    return Call(kernel, arguments, fixed=-(-table.rows // each))
