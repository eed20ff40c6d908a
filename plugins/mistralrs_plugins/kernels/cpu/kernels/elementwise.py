"""What happens to rows element by element, and the moving of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import first_lane, splat
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f32x8, load_i64, store_f32, store_f32x8
from mistralrs_plugins.kernels.cpu.kernels import functions
from mistralrs_plugins.kernels.cpu.kernels.activations import quantize_blocks
from mistralrs_plugins.kernels.cpu.kernels.sizes import SLICE

Kernel = Callable[[int, int, int], None]


@inline
def _place(args: Any, chunk: Any) -> Any:
    """The row and the range of elements of a chunk; argument 0 is the width, 1 the number of slices of a row."""
    width, slices = load_i64(args), load_i64(args + 8)
    row, first = chunk // slices, chunk % slices * SLICE
    return row, first, min(first + SLICE, width)


@inline
def _with_integers(args: Any, row: Any, first: Any, last: Any, at: Any, target: Any) -> None:
    """Quantize what was stored to ``target``, where arguments ``at`` and after it ask for it."""
    quantized = load_i64(at)
    if quantized != 0:
        row_at = quantized + row * load_i64(at + 8)
        quantize_blocks(target, load_i64(args), row_at, first // 32, last // 32)


def make_gated(activation: str) -> Kernel:
    """``activation(gate) * up``. Arguments: width, slices; gate, its stride; up, its stride; target, its stride;
    target of the integers (0: none), its stride."""
    function = functions.gate(activation)

    def gated(args: int, chunk: int, thread: int) -> None:
        row, first, last = _place(args, chunk)
        gate = load_i64(args + 16) + row * load_i64(args + 24)
        up = load_i64(args + 32) + row * load_i64(args + 40)
        target = load_i64(args + 48) + row * load_i64(args + 56)
        whole = first + (last - first) // 8 * 8
        for i in range(first, whole, 8):
            store_f32x8(target + 4 * i, function(load_f32x8(gate + 4 * i), load_f32x8(up + 4 * i)))
        for i in range(whole, last):
            # One lane of eight: the same function, bit for bit, as for the others.
            value = function(splat(load_f32(gate + 4 * i)), splat(load_f32(up + 4 * i)))
            store_f32(target + 4 * i, first_lane(value))
        _with_integers(args, row, first, last, args + 64, target)

    return gated


def make_switched(activation: str) -> Kernel:
    """The same with a gate of one number for the whole row."""
    function = functions.gate(activation)

    def switched(args: int, chunk: int, thread: int) -> None:
        row, first, last = _place(args, chunk)
        gate = splat(load_f32(load_i64(args + 16) + row * load_i64(args + 24)))
        up = load_i64(args + 32) + row * load_i64(args + 40)
        target = load_i64(args + 48) + row * load_i64(args + 56)
        whole = first + (last - first) // 8 * 8
        for i in range(first, whole, 8):
            store_f32x8(target + 4 * i, function(gate, load_f32x8(up + 4 * i)))
        for i in range(whole, last):
            store_f32(target + 4 * i, first_lane(function(gate, splat(load_f32(up + 4 * i)))))
        _with_integers(args, row, first, last, args + 64, target)

    return switched


def make_unary(name: str) -> Kernel:
    """A function of each number. Arguments: width, slices; source, its stride; target, which may be the source, its
    stride; target of the integers (0: none), its stride; the function's own numbers."""
    function = functions.unary(name)

    def unary(args: int, chunk: int, thread: int) -> None:
        row, first, last = _place(args, chunk)
        source = load_i64(args + 16) + row * load_i64(args + 24)
        target = load_i64(args + 32) + row * load_i64(args + 40)
        whole = first + (last - first) // 8 * 8
        for i in range(first, whole, 8):
            store_f32x8(target + 4 * i, function(load_f32x8(source + 4 * i), args + 64))
        for i in range(whole, last):
            store_f32(target + 4 * i, first_lane(function(splat(load_f32(source + 4 * i)), args + 64)))
        _with_integers(args, row, first, last, args + 48, target)

    return unary


def make_binary(name: str) -> Kernel:
    """A sum or a product. Arguments: width, slices; x, its stride; y, its stride; target, its stride."""
    function = functions.BINARY[name]

    def binary(args: int, chunk: int, thread: int) -> None:
        row, first, last = _place(args, chunk)
        x = load_i64(args + 16) + row * load_i64(args + 24)
        y = load_i64(args + 32) + row * load_i64(args + 40)
        target = load_i64(args + 48) + row * load_i64(args + 56)
        whole = first + (last - first) // 8 * 8
        for i in range(first, whole, 8):
            store_f32x8(target + 4 * i, function(load_f32x8(x + 4 * i), load_f32x8(y + 4 * i)))
        for i in range(whole, last):
            store_f32(target + 4 * i, function(load_f32(x + 4 * i), load_f32(y + 4 * i)))

    return binary


def copy(args: int, chunk: int, thread: int) -> None:
    """A piece of every group of a row, one row a chunk. Arguments: source, its stride, bytes from group to group;
    target, likewise; groups; numbers in a piece."""
    source, target = load_i64(args) + chunk * load_i64(args + 8), load_i64(args + 24) + chunk * load_i64(args + 32)
    step, target_step, size = load_i64(args + 16), load_i64(args + 40), load_i64(args + 56)
    for g in range(load_i64(args + 48)):
        for i in range(size):
            store_f32(target + g * target_step + 4 * i, load_f32(source + g * step + 4 * i))


def rows(args: int, chunk: int, thread: int) -> None:
    """Some rows. Arguments: source, its stride, its rows; address of the address of int64 indices; width; target, its
    stride. An index beyond the source takes its last row."""
    index = load_i64(load_i64(load_i64(args + 24)) + 8 * chunk)
    index = max(0, min(index, load_i64(load_i64(args + 16)) - 1))
    source, width = load_i64(args) + index * load_i64(args + 8), load_i64(args + 32)
    target = load_i64(args + 40) + chunk * load_i64(args + 48)
    for i in range(width):
        store_f32(target + 4 * i, load_f32(source + 4 * i))
