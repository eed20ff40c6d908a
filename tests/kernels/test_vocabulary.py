"""What machines have forms of their own for: each form against plain numbers."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from numba import njit

from mistralrs_plugins.kernels.cpu.jit import avx2, portable
from mistralrs_plugins.kernels.cpu.jit.lanes import even_bytes, odd_bytes
from mistralrs_plugins.kernels.cpu.jit.memory import load_b8x32, load_i16x16, store_i16x16, store_i32x8
from mistralrs_plugins.kernels.cpu.jit.target import _features

needs_avx2 = pytest.mark.skipif(not _features().get("avx2"), reason="this processor has no AVX2")
pytestmark = pytest.mark.parametrize("machine", [pytest.param(avx2, marks=needs_avx2), portable])


def test_pairs_are_multiplied_and_added(machine: ModuleType) -> None:
    dot_pairs = machine.dot_pairs

    @njit
    def kernel(x: int, y: int, target: int) -> None:
        store_i32x8(target, dot_pairs(load_i16x16(x), load_i16x16(y)))

    x, y = np.random.default_rng(1).integers(-32767, 32768, (2, 16), np.int16)
    found = np.zeros(8, np.int32)
    kernel(x.ctypes.data, y.ctypes.data, found.ctypes.data)
    expected = (x.astype(np.int64) * y).reshape(8, 2).sum(1)
    np.testing.assert_array_equal(found, expected.astype(np.int32))


def test_bytes_are_looked_up(machine: ModuleType) -> None:
    table = np.random.default_rng(2).integers(-128, 128, 16, np.int8)
    look_up = machine.lookup(table.tolist())

    @njit
    def kernel(codes: int, target: int) -> None:
        found = look_up(load_b8x32(codes))
        store_i16x16(target, even_bytes(found))
        store_i16x16(target + 32, odd_bytes(found))

    codes = np.concatenate((np.arange(16), np.arange(16)[::-1])).astype(np.uint8)
    found = np.zeros((2, 16), np.int16)
    kernel(codes.ctypes.data, found.ctypes.data)
    np.testing.assert_array_equal(found.T.flatten(), table[codes])
