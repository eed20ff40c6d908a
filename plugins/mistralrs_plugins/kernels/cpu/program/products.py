"""Calls that multiply with a weight, and those that bring activations into the form it wants."""

from __future__ import annotations

from collections.abc import Sequence

from mistralrs.layouts import LAYOUTS
from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS, TILE_BYTES
from mistralrs_plugins.kernels.cpu.program.arguments import (
    AddressOf,
    Argument,
    Buffer,
    Call,
    Number,
    Place,
    Scratch,
    TilesFrom,
    strided,
)
from mistralrs_plugins.kernels.cpu.program.weights import Table

_CHUNK_BYTES = 256 * 1024
"""Weights in one chunk of a product, about. Shorter runs break the processor's prefetching (a fifth slower with 48 KiB,
now that instructions do not bound it); longer ones leave threads idle."""
_SHARES = 4
"""Matrices are cut into a multiple of so many chunks of equal size, so that no thread waits for a last odd one."""
_WIDENED_BYTES = 16
"""Scratch memory for each value of a row of half-precision floats: four rows as whole floats."""


def is_dense(layout: str) -> bool:
    """Whether a layout's products take activations as floats."""
    return LAYOUTS[layout].dense


def integer_room(width: int, each: int = 1) -> Place:
    """Room for ``each`` rows a token of ``width`` values as integers, with their scales and sums."""
    return Place(Buffer(width // 2 * 5, each), width)


def quantize_call(source: Sequence[Argument], width: int, rows: dict[Number, int], target: Place) -> Call:
    """Rows of floats to integers."""
    return Call("activations:quantize", [*source, width, *strided(target)], per=rows)


def product_call(
    layout: str,
    table: Table,
    rows: int,
    activations: Place | Sequence[Argument],
    output: Sequence[Argument],
    *,
    weight: Argument | None = None,
    bias: Argument = 0,
    residual: Sequence[Argument] = (0, 0),
) -> Call:
    """``output = activations @ weight.T + bias + residual``. ``weight`` stands in for the address in ``table``."""
    each = _chunk_rows(table)
    given = strided(activations) if isinstance(activations, Place) else activations
    scratch = _WIDENED_BYTES * table.width if is_dense(layout) else 64 + TILE_BYTES * table.width
    arguments: list[Argument] = [AddressOf(rows), *given, table.width]
    arguments += [table.address if weight is None else weight, table.row_bytes, table.rows, *output, *residual]
    arguments += [bias, each, Scratch(scratch), scratch]
    if is_dense(layout):
        kernel = f"dense:make_product:{layout}"
    else:
        kernel = f"product:make_product:{layout}"
        arguments.append(TilesFrom(layout))
    return Call(kernel, arguments, fixed=-(-table.rows // each))


def _chunk_rows(table: Table) -> int:
    """Rows in a chunk: whole tiles of 16."""
    tiles = -(-table.rows // (2 * ROWS))
    chunks = max(1, round(table.rows * table.row_bytes / _CHUNK_BYTES / _SHARES)) * _SHARES
    return -(-tiles // chunks) * 2 * ROWS
