"""Norms, quantized for the next product on the way: root-mean-square (Zhang and Sennrich 2019, arXiv 1910.07467), and
layer norm (Ba et al. 2016, arXiv 1607.06450)."""

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
    """One row a chunk. Arguments: source, its stride; groups in a row, width of a group; target, its stride; target of
    the integers (0: none), its stride; weight, eps, offset."""
    source, target = load_i64(args) + chunk * load_i64(args + 8), load_i64(args + 32) + chunk * load_i64(args + 40)
    groups, width = load_i64(args + 16), load_i64(args + 24)
    weight, eps, offset = load_i64(args + 64), load_f32(args + 72), load_f32(args + 80)
    for g in range(groups):
        _norm(source + 4 * g * width, width, weight, eps, offset, target + 4 * g * width)
    _with_integers(args, chunk, target, groups * width)


@inline
def _with_integers(args: Any, chunk: Any, row: Any, width: Any) -> None:
    quantized = load_i64(args + 48)
    if quantized != 0:
        quantize_blocks(row, width, quantized + chunk * load_i64(args + 56), 0, width // 32)


@inline
def _centred(source: Any, width: Any, eps: Any, target: Any) -> None:
    """Subtract the mean, and divide by the deviation."""
    whole = width // 8 * 8
    sums = splat(np.float32(0))
    for i in range(0, whole, 8):
        sums += load_f32x8(source + 4 * i)
    total = lane_sum(sums)
    for i in range(whole, width):
        total += load_f32(source + 4 * i)
    mean = total / np.float32(width)
    squares = splat(np.float32(0))
    for i in range(0, whole, 8):
        x = load_f32x8(source + 4 * i) - splat(mean)
        squares += x * x
        store_f32x8(target + 4 * i, x)
    rest = lane_sum(squares)
    for i in range(whole, width):
        x1 = load_f32(source + 4 * i) - mean
        rest += x1 * x1
        store_f32(target + 4 * i, x1)
    inverse = np.float32(1) / np.sqrt(rest / np.float32(width) + eps)
    for i in range(0, whole, 8):
        store_f32x8(target + 4 * i, load_f32x8(target + 4 * i) * splat(inverse))
    for i in range(whole, width):
        store_f32(target + 4 * i, load_f32(target + 4 * i) * inverse)


@inline
def _affine(row: Any, width: Any, weight: Any, bias: Any) -> None:
    """Times a weight and plus a bias, where there are any."""
    whole = width // 8 * 8
    if weight != 0:
        for i in range(0, whole, 8):
            store_f32x8(row + 4 * i, load_f32x8(row + 4 * i) * load_f32x8(weight + 4 * i))
        for i in range(whole, width):
            store_f32(row + 4 * i, load_f32(row + 4 * i) * load_f32(weight + 4 * i))
    if bias != 0:
        for i in range(0, whole, 8):
            store_f32x8(row + 4 * i, load_f32x8(row + 4 * i) + load_f32x8(bias + 4 * i))
        for i in range(whole, width):
            store_f32(row + 4 * i, load_f32(row + 4 * i) + load_f32(bias + 4 * i))


def layer_norm(args: int, chunk: int, thread: int) -> None:
    """One row a chunk. Arguments as of :func:`rms_norm`, in the end: weight (0: none), its step from group to group;
    bias, likewise; eps."""
    source, target = load_i64(args) + chunk * load_i64(args + 8), load_i64(args + 32) + chunk * load_i64(args + 40)
    groups, width = load_i64(args + 16), load_i64(args + 24)
    weight, bias, eps = load_i64(args + 64), load_i64(args + 80), load_f32(args + 96)
    for g in range(groups):
        to = target + 4 * g * width
        _centred(source + 4 * g * width, width, eps, to)
        _affine(to, width, weight + g * load_i64(args + 72), bias + g * load_i64(args + 88))
    _with_integers(args, chunk, target, groups * width)
