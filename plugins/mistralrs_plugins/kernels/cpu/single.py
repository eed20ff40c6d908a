"""Products one by one, for models and steps that are not compiled as a whole."""

from __future__ import annotations

import threading
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mistralrs.ops import Weight
from mistralrs_plugins.kernels.cpu.program.arguments import Argument, Current, Number, Stage
from mistralrs_plugins.kernels.cpu.program.products import (
    integer_room,
    is_dense,
    product_call,
    quantize_call,
)
from mistralrs_plugins.kernels.cpu.program.program import Program
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled, Table, for_products, table_of
from mistralrs_plugins.kernels.cpu.threads import shared_pool

one_at_a_time = threading.Lock()
"""Held by whoever fills in and runs a program that others use too."""


def linear(x: Tensor, weight: Weight, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias``, for ``x`` float32 ``[tokens, width]``; other types go by way of decoded weights."""
    if x.dtype != torch.float32 or x.dim() != 2:
        return F.linear(x, weight.to_dense(x.dtype), bias)
    try:
        weight = for_products(weight)  # prepared already, unless it comes from elsewhere than a model
        table = table_of(weight)
    except NotCompiled:
        return F.linear(x, weight.to_dense(x.dtype), bias)
    if x.shape[1] != table.width or (bias is not None and bias.shape != (table.rows,)):
        raise ValueError(f"a product of rows of {x.shape[1]} with weights {weight.shape}")
    x, bias = x.contiguous(), None if bias is None else bias.float().contiguous()
    out = x.new_empty(x.shape[0], table.rows)
    if x.shape[0]:
        with one_at_a_time:
            _run(x, table, weight.layout.name, bias, out)
    return out


def head(x: Tensor, weight: Weight, bias: Tensor | None) -> Tensor:
    """The same, in float32 out."""
    return linear(x, weight, bias).float()


def _run(x: Tensor, table: Table, layout: str, bias: Tensor | None, out: Tensor) -> None:
    program, pool = _program(layout, table.rows, table.width, table.row_bytes), shared_pool()
    numbers = program.numbers
    numbers[Number.TOKENS] = x.shape[0]
    numbers[Number.INPUT], numbers[Number.WEIGHT], numbers[Number.LOGITS] = x.data_ptr(), table.address, out.data_ptr()
    numbers[Number.BIAS] = 0 if bias is None else bias.data_ptr()
    program.fit(x.shape[0], pool)
    program.run()


@lru_cache(maxsize=64)
def _program(layout: str, rows: int, width: int, row_bytes: int) -> Program:
    """A program for every weight of one shape and layout; its address is put in for each run."""
    source: list[Argument] = [Current(Number.INPUT), 4 * width]
    output: list[Argument] = [Current(Number.LOGITS), 4 * rows]
    stages = [Stage()]
    activations = None if is_dense(layout) else integer_room(width)
    if activations is not None:
        stages = [Stage([quantize_call(source, width, {Number.TOKENS: 1}, activations)]), Stage()]
    product = product_call(
        layout,
        Table(0, rows, width, row_bytes),
        Number.TOKENS,
        source if activations is None else activations,
        output,
        weight=Current(Number.WEIGHT),
        bias=Current(Number.BIAS),
    )
    stages[-1].calls.append(product)
    return Program(stages)
