"""Keys and values going into the paged cache, and coming out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_f16,
    load_f16x8,
    load_f32,
    load_f32x8,
    load_i64,
    store_f16,
    store_f16x8,
    store_f32,
    store_f32x8,
)

Kernel = Callable[[int, int, int], None]

STORED: dict[str, Any] = {
    "f32": (load_f32x8, load_f32, store_f32x8, store_f32, 4),
    "f16": (load_f16x8, load_f16, store_f16x8, store_f16, 2),
}
"""How a cache's numbers are read and written, eight at a time and singly, and their bytes."""


def make_write(kind: str) -> Kernel:
    """Append one token a chunk. Arguments: address of the address of int64 slots; slots in the cache; then for keys and
    for values: source, its stride, numbers of a token, cache. A slot beyond the cache is left out."""
    _, _, store_eight, store_one, size = STORED[kind]

    def write(args: int, chunk: int, thread: int) -> None:
        slot = load_i64(load_i64(load_i64(args)) + 8 * chunk)
        if slot < 0 or slot >= load_i64(args + 8):
            return
        for part in range(2):
            at = args + 16 + 32 * part
            width = load_i64(at + 16)
            source, target = load_i64(at) + chunk * load_i64(at + 8), load_i64(at + 24) + slot * width * size
            whole = width // 8 * 8
            for i in range(0, whole, 8):
                store_eight(target + size * i, load_f32x8(source + 4 * i))
            for i in range(whole, width):
                store_one(target + size * i, load_f32(source + 4 * i))

    return write
