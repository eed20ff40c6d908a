"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864)."""

from __future__ import annotations

import math

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_i64, store_f32


def rotation(args: int, chunk: int, thread: int) -> None:
    """Angles of one token a chunk. Arguments: address of the address of int64 positions; frequencies, their number;
    factor; cosines, their stride; sines, their stride."""
    position = np.float32(load_i64(load_i64(load_i64(args)) + 8 * chunk))
    frequencies, factor = load_i64(args + 8), load_f32(args + 24)
    cos, sin = load_i64(args + 32) + chunk * load_i64(args + 40), load_i64(args + 48) + chunk * load_i64(args + 56)
    for i in range(load_i64(args + 16)):
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
