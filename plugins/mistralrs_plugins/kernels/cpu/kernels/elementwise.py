"""What happens to rows element by element, and the moving of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import first_lane, splat
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f32x8, load_i64, store_f32, store_f32x8
from mistralrs_plugins.kernels.cpu.kernels import functions
from mistralrs_plugins.kernels.cpu.kernels.activations import quantize_blocks

Kernel = Callable[[int, int, int], None]

SLICE = 512
"""Elements of a row in one chunk; a multiple of the activations' blocks."""

_ACTIVATIONS = {"silu": functions.silu, "gelu_pytorch_tanh": functions.gelu_tanh}


@inline
def _place(args: Any, chunk: Any) -> Any:
    """The row and the range of elements of a chunk; argument 0 is the width, 1 the number of slices of a row."""
    width, slices = load_i64(args), load_i64(args + 8)
    row, first = chunk // slices, chunk % slices * SLICE
    return row, first, min(first + SLICE, width)


def make_gated(activation: str) -> Kernel:
    """``activation(gate) * up``. Arguments: width, slices; gate, its stride; up, its stride; target, its stride;
    target of the integers (0: none), its stride."""
    function = _ACTIVATIONS[activation]

    def gated(args: int, chunk: int, thread: int) -> None:
        row, first, last = _place(args, chunk)
        gate = load_i64(args + 16) + row * load_i64(args + 24)
        up = load_i64(args + 32) + row * load_i64(args + 40)
        target = load_i64(args + 48) + row * load_i64(args + 56)
        whole = first + (last - first) // 8 * 8
        for i in range(first, whole, 8):
            store_f32x8(target + 4 * i, function(load_f32x8(gate + 4 * i)) * load_f32x8(up + 4 * i))
        for i in range(whole, last):
            # One lane of eight: the same function, bit for bit, as for the others.
            store_f32(target + 4 * i, first_lane(function(splat(load_f32(gate + 4 * i)))) * load_f32(up + 4 * i))
        quantized = load_i64(args + 64)
        if quantized != 0:
            row_at = quantized + row * load_i64(args + 72)
            quantize_blocks(target, load_i64(args), row_at, first // 32, last // 32)

    return gated


def add(args: int, chunk: int, thread: int) -> None:
    """``x + y``. Arguments: width, slices; x, its stride; y, its stride; target, its stride."""
    row, first, last = _place(args, chunk)
    x = load_i64(args + 16) + row * load_i64(args + 24)
    y = load_i64(args + 32) + row * load_i64(args + 40)
    target = load_i64(args + 48) + row * load_i64(args + 56)
    whole = first + (last - first) // 8 * 8
    for i in range(first, whole, 8):
        store_f32x8(target + 4 * i, load_f32x8(x + 4 * i) + load_f32x8(y + 4 * i))
    for i in range(whole, last):
        store_f32(target + 4 * i, load_f32(x + 4 * i) + load_f32(y + 4 * i))


def softcap(args: int, chunk: int, thread: int) -> None:
    """``cap * tanh(x / cap)`` in place. Arguments: width, slices; values, their stride; cap."""
    row, first, last = _place(args, chunk)
    values, cap = load_i64(args + 16) + row * load_i64(args + 24), splat(load_f32(args + 32))
    whole = first + (last - first) // 8 * 8
    for i in range(first, whole, 8):
        store_f32x8(values + 4 * i, cap * functions.tanh(load_f32x8(values + 4 * i) / cap))
    for i in range(whole, last):
        store_f32(values + 4 * i, first_lane(cap * functions.tanh(splat(load_f32(values + 4 * i)) / cap)))


def rows(args: int, chunk: int, thread: int) -> None:
    """Some rows. Arguments: source, its stride, its rows; address of the address of int64 indices; width; target, its
    stride. An index beyond the source takes its last row."""
    index = load_i64(load_i64(load_i64(args + 24)) + 8 * chunk)
    index = max(0, min(index, load_i64(load_i64(args + 16)) - 1))
    source, width = load_i64(args) + index * load_i64(args + 8), load_i64(args + 32)
    target = load_i64(args + 40) + chunk * load_i64(args + 48)
    for i in range(width):
        store_f32(target + 4 * i, load_f32(source + 4 * i))
