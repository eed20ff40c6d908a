"""Rows of a file's blocks as floats."""

from __future__ import annotations

from typing import Any

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.lanes import splat, to_float, widen_i8, widen_u8
from mistralrs_plugins.kernels.cpu.jit.memory import store_f32x8
from mistralrs_plugins.kernels.cpu.kernels import blocks32, kquants
from mistralrs_plugins.kernels.cpu.kernels.layout import BlockLayout


def layout_of(name: str) -> BlockLayout:
    """The description of a layout by the name that files and the core know it by."""
    found: BlockLayout = getattr(kquants if name.endswith("_k") else blocks32, name.upper())
    return found


def read_blocks(name: str) -> Any:
    """``read(source, width, target, factor)``: one row of quantized weights as floats, times ``factor``."""
    layout = layout_of(name)
    block, block_bytes, inside, group = layout.block, layout.block_bytes, layout.block // 32, layout.group
    open_block, values, scale = layout.open_block, layout.values, layout.scale
    signed = 1 if layout.signed else 0
    widen = widen_i8 if layout.signed else widen_u8
    minimum = scale if layout.signed else layout.minimum

    @inline
    def read(source: Any, width: Any, target: Any, factor: Any) -> None:
        for b in range(width // block):
            p = source + b * block_bytes
            h = open_block(p)
            for j in range(inside):
                packed = values(p, j)
                for quarter in range(4):
                    g = (32 * j + 8 * quarter) // group
                    value = to_float(widen(packed, quarter)) * splat(scale(p, h, g))
                    if not signed:
                        value += splat(minimum(p, h, g))
                    store_f32x8(target + 4 * (b * block + 32 * j + 8 * quarter), value * splat(factor))

    return read
