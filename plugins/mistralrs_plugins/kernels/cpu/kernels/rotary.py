"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864)."""

from __future__ import annotations

import math

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f64, load_i64, store_f32


def rotation(args: int, chunk: int, thread: int) -> None:
    """Angles of one token a chunk. Arguments: address of the address of int64 positions; frequencies, their stride (0:
    the same for all tokens), their number; factor; cosines, their stride; sines, their stride."""
    position = np.float32(load_i64(load_i64(load_i64(args)) + 8 * chunk))
    frequencies, factor = load_i64(args + 8) + chunk * load_i64(args + 16), load_f32(args + 32)
    cos, sin = load_i64(args + 40) + chunk * load_i64(args + 48), load_i64(args + 56) + chunk * load_i64(args + 64)
    for i in range(load_i64(args + 24)):
        angle = position * load_f32(frequencies + 4 * i)
        store_f32(cos + 4 * i, np.float32(math.cos(angle)) * factor)
        store_f32(sin + 4 * i, np.float32(math.sin(angle)) * factor)


def rope(args: int, chunk: int, thread: int) -> None:
    """Rotate the heads of one token a chunk. Arguments: source, its stride; heads, head size; cosines, their stride;
    sines, their stride; pairs, distance between the numbers of a pair, distance between pairs; target, its stride."""
    source, target = load_i64(args) + chunk * load_i64(args + 8), load_i64(args + 88) + chunk * load_i64(args + 96)
    cos, sin = load_i64(args + 32) + chunk * load_i64(args + 40), load_i64(args + 48) + chunk * load_i64(args + 56)
    head_dim, pairs = load_i64(args + 24), load_i64(args + 64)
    partner, step = 4 * load_i64(args + 72), 4 * load_i64(args + 80)
    for head in range(load_i64(args + 16)):
        at = 4 * head * head_dim
        for i in range(pairs):
            c, s = load_f32(cos + 4 * i), load_f32(sin + 4 * i)
            a, b = load_f32(source + at + i * step), load_f32(source + at + i * step + partner)
            store_f32(target + at + i * step, a * c - b * s)
            store_f32(target + at + i * step + partner, b * c + a * s)
        for i in range(2 * pairs, head_dim):
            store_f32(target + at + 4 * i, load_f32(source + at + 4 * i))


def long_frequencies(args: int, chunk: int, thread: int) -> None:
    """One token's frequencies out of two sets. Arguments: address of the address of int64 limits; the limit up to which
    the first set is taken; first set, second set; their number; target, its stride."""
    limit = load_i64(load_i64(load_i64(args)) + 8 * chunk)
    source = load_i64(args + 24) if limit > load_i64(args + 8) else load_i64(args + 16)
    target = load_i64(args + 40) + chunk * load_i64(args + 48)
    for i in range(load_i64(args + 32)):
        store_f32(target + 4 * i, load_f32(source + 4 * i))


def dynamic_frequencies(args: int, chunk: int, thread: int) -> None:
    """One token's frequencies, from a base that grows with its limit (dynamic NTK). In float64, because far positions
    multiply its rounding error. Arguments: address of the address of int64 limits; trained length; address of the
    base and the factor, float64; how many numbers are rotated; target, its stride."""
    trained, numbers = load_i64(args + 8), load_i64(args + 16)
    length = np.float64(max(load_i64(load_i64(load_i64(args)) + 8 * chunk), trained))
    theta, factor, rotary = load_f64(numbers), load_f64(numbers + 8), np.float64(load_i64(args + 24))
    base = theta * (factor * length / np.float64(trained) - (factor - 1.0)) ** (rotary / (rotary - 2.0))
    target = load_i64(args + 32) + chunk * load_i64(args + 40)
    for i in range((load_i64(args + 24) + 1) // 2):
        store_f32(target + 4 * i, np.float32(base ** (-2.0 * np.float64(i) / rotary)))


def position_scale(args: int, chunk: int, thread: int) -> None:
    """Rows of tokens far into a text times a little more. Arguments: address of the address of int64 positions; source,
    its stride; width; stretch, factor, what is added to a position; target, its stride."""
    position = np.float32(load_i64(load_i64(load_i64(args)) + 8 * chunk)) + np.float32(load_i64(args + 48))
    turns = np.float32(math.floor(position / load_f32(args + 32)))
    scale = np.float32(1) + load_f32(args + 40) * np.float32(math.log1p(turns))
    source, target = load_i64(args + 8) + chunk * load_i64(args + 16), load_i64(args + 56) + chunk * load_i64(args + 64)
    for i in range(load_i64(args + 24)):
        store_f32(target + 4 * i, load_f32(source + 4 * i) * scale)
