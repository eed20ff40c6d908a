"""From how many rows of activations on a product unpacks its weights into tiles: measured once on a machine, and kept.

Both ways of :mod:`.kernels.product` sum the same integers; which one is faster depends on the processor and the type.
Each is timed for every number of rows for which the choice is open, on a matrix that fits into a second-level cache,
which takes some milliseconds a type; on matrices that come from memory the ratios are the same. The result lies beside
the compiled kernels, in the folder whose name stands for the processor, the compiler and the kernels' sources.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from functools import cache

import numpy as np

from mistralrs.errors import UsageError
from mistralrs.layouts import LAYOUTS
from mistralrs_plugins.kernels.cpu.jit.code import folder, kernel_function, write_whole
from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS, TILE_BYTES

log = logging.getLogger(__name__)

MOST = 12
"""Rows of activations up to which it is open which way is faster."""

_VARIABLE = "MISTRALRS_TILES_FROM"
_KEPT = {str(rows).encode(): rows for rows in range(2, MOST + 2)}
"""What a file may say, and what that means."""
_ORDINARY = 64
"""A byte that makes blocks with scales of ordinary size: 2.1 in half precision, 2 to the -64 as an exponent."""
_WIDTH, _WEIGHT_ROWS, _ROUNDS = 1024, 16 * ROWS, 7


@cache
def tiles_from(layout: str) -> int:
    """Rows of activations from which products with ``layout`` take tiles, from 2 to ``MOST + 1``.

    Compiles the layout's kernel if need be. ``MISTRALRS_TILES_FROM`` overrides what was measured; raises UsageError
    when that is no positive number.
    """
    given = os.environ.get(_VARIABLE)
    if given:
        if not given.isdigit() or not int(given):
            raise UsageError(f"{_VARIABLE} is {given!r}", "set it to a positive number, or unset it")
        return int(given)
    file = folder("product") / f"tiles-{layout}"
    try:
        found, how = _KEPT[file.read_bytes()], "kept"
    except (OSError, KeyError):  # nothing there, or nothing that makes sense
        found, how = crossover(*measured(layout)), "measured"
        write_whole(file, str(found).encode())
    log.info("products with %s take tiles from %d rows on (%s)", layout, found, how)
    return found


def crossover(direct: Sequence[float], tiles: Sequence[float]) -> int:
    """Where to change from one way to the other, given each one's time for 2, 3, ... rows: what takes least for all."""
    costs = [sum(direct[:at]) + sum(tiles[at:]) for at in range(len(direct) + 1)]
    return 2 + costs.index(min(costs))


def measured(layout: str) -> tuple[list[float], list[float]]:
    """Seconds of a small product with 2 to ``MOST`` rows of activations: straight from the blocks, and by tiles.

    The least of several rounds in which both take turns, so that whatever else the machine does spoils neither.
    """
    run, row_bytes = kernel_function(f"product:make_product:{layout}", 3), LAYOUTS[layout].row_bytes(_WIDTH)
    # No instruction of a product takes longer for other values, but zeros as exponents would make subnormal scales.
    weights = np.full(_WEIGHT_ROWS * row_bytes, _ORDINARY, np.uint8)
    activations = np.zeros(MOST * _WIDTH * 5 // 2, np.uint8)
    out, scratch = np.zeros(MOST * _WEIGHT_ROWS, np.float32), np.zeros(64 + TILE_BYTES * _WIDTH, np.uint8)
    count, best = np.zeros(1, np.int64), np.full((2, MOST + 1), np.inf)
    arguments = np.array([
        count.ctypes.data, activations.ctypes.data, _WIDTH * 5 // 2, _WIDTH,
        weights.ctypes.data, row_bytes, _WEIGHT_ROWS, out.ctypes.data, 4 * _WEIGHT_ROWS, 0, 0, 0, _WEIGHT_ROWS,
        scratch.ctypes.data, len(scratch), 0,
    ])  # fmt: skip
    for _ in range(_ROUNDS):
        for rows in range(2, MOST + 1):
            count[0] = rows
            for way, change in enumerate((MOST + 1, 1)):
                arguments[-1] = change
                started = time.perf_counter()
                run(arguments.ctypes.data, 0, 0)
                best[way, rows] = min(best[way, rows], time.perf_counter() - started)
    return best[0, 2:].tolist(), best[1, 2:].tolist()
