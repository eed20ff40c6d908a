"""Root-mean-square norm (Zhang and Sennrich 2019, arXiv 1910.07467), quantized for the next product on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import lane_sum, splat
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f32x8, load_i64, store_f32, store_f32x8
from mistralrs_plugins.kernels.cpu.kernels.activations import quantize_blocks


@inline
def _norm(source: Any, width: Any, weight: Any, eps: Any, offset: Any, target: Any) -> None:
    whole = width // 8 * 8
    squares = splat(np.float32(0))
    for i in range(0, whole, 8):
        x = load_f32x8(source + 4 * i)
        squares += x * x
    total = lane_sum(squares)
    for i in range(whole, width):
        x1 = load_f32(source + 4 * i)
        total += x1 * x1
    inverse = np.float32(1) / np.sqrt(total / np.float32(width) + eps)
    for i in range(0, whole, 8):
        scaled = load_f32x8(source + 4 * i) * splat(inverse)
        store_f32x8(target + 4 * i, scaled * (load_f32x8(weight + 4 * i) + splat(offset)))
    for i in range(whole, width):
        store_f32(target + 4 * i, load_f32(source + 4 * i) * inverse * (load_f32(weight + 4 * i) + offset))


def rms_norm(args: int, chunk: int, thread: int) -> None:
    """One row a chunk. Arguments: source, its stride; groups in a row, width of a group; weight, eps, offset; target,
    its stride; target of the integers (0: none), its stride."""
    source, target = load_i64(args) + chunk * load_i64(args + 8), load_i64(args + 56) + chunk * load_i64(args + 64)
    groups, width = load_i64(args + 16), load_i64(args + 24)
    weight, eps, offset = load_i64(args + 32), load_f32(args + 40), load_f32(args + 48)
    for g in range(groups):
        _norm(source + 4 * g * width, width, weight, eps, offset, target + 4 * g * width)
    quantized = load_i64(args + 72)
    if quantized != 0:
        row = groups * width
        quantize_blocks(target, row, quantized + chunk * load_i64(args + 80), 0, row // 32)
