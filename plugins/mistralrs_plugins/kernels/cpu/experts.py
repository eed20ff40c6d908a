"""Products of experts: the rows of all of them in one program, so that no thread waits for the end of one expert."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mistralrs.ops import Weight, WeightStack
from mistralrs_plugins.kernels.cpu.program.arguments import Argument, Current, Number, Place, Stage
from mistralrs_plugins.kernels.cpu.program.products import integer_room, is_dense, product_call, quantize_call
from mistralrs_plugins.kernels.cpu.program.program import Program
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled, Table, for_products, table_of
from mistralrs_plugins.kernels.cpu.single import linear, one_at_a_time
from mistralrs_plugins.kernels.cpu.threads import shared_pool

_FIRST = len(Number)
_FIELDS = 5
"""Numbers of each expert, after the step's own: rows, their address, the weight's, the result's, the bias's."""


class _Grouped(NamedTuple):
    """A program with a product for each of ``experts``. Quantized weights take ``activations`` from its memory."""

    program: Program
    experts: int
    activations: Place | None


def expert_linear(x: Tensor, ends: Tensor, stack: WeightStack, bias: Tensor | None) -> Tensor:
    """Rows sorted by expert ``[rows, in]``, where each expert's end ``[experts]``; gives ``[rows, out]``."""
    counts = np.diff(ends.numpy(), prepend=0)
    chosen = counts.nonzero()[0]
    out = x.new_empty(x.shape[0], stack.each[0].shape[0])
    try:
        if x.dtype != torch.float32:
            raise NotCompiled("activations that are not float32")
        weights = [for_products(stack.each[expert]) for expert in chosen]
        tables = [table_of(weight) for weight in weights]
    except NotCompiled:
        _one_by_one(x, ends.tolist(), stack, bias, out)
        return out
    if tables:
        x, bias = x.contiguous(), None if bias is None else bias.float().contiguous()
        with one_at_a_time:
            _run(x, counts[chosen], weights[0], tables, len(stack.each), _rows_of(bias, chosen), out)
    return out


def _one_by_one(x: Tensor, ends: Sequence[int], stack: WeightStack, bias: Tensor | None, out: Tensor) -> None:
    start = 0
    for expert, end in enumerate(ends):
        if end > start:
            out[start:end] = linear(x[start:end], stack.each[expert], None if bias is None else bias[expert])
        start = end


def _rows_of(bias: Tensor | None, chosen: np.ndarray) -> np.ndarray:
    """Addresses of the chosen experts' biases, zeros when there are none."""
    return np.zeros_like(chosen) if bias is None else bias.data_ptr() + chosen * 4 * bias.shape[1]


def _run(
    x: Tensor,
    counts: np.ndarray,
    weight: Weight,
    tables: Sequence[Table],
    experts: int,
    biases: np.ndarray,
    out: Tensor,
) -> None:
    table, used = tables[0], len(tables)
    program, room, activations = _grouped(weight.layout.name, table.rows, table.width, table.row_bytes, experts)
    pool = shared_pool()
    program.fit(x.shape[0], pool)
    program.numbers[Number.TOKENS], program.numbers[Number.INPUT] = x.shape[0], x.data_ptr()
    source, step = x.data_ptr(), 4 * table.width
    if activations is not None:
        source, step = program.address(activations), activations.buffer.row_bytes
    starts = counts.cumsum() - counts
    own = program.numbers[_FIRST:].reshape(_FIELDS, room)[:, :used]
    own[0], own[1], own[2] = counts, source + starts * step, [each.address for each in tables]
    own[3], own[4] = out.data_ptr() + starts * 4 * table.rows, biases
    program.use(-1, used)
    program.run()


@lru_cache(maxsize=64)
def _grouped(layout: str, rows: int, width: int, row_bytes: int, experts: int) -> _Grouped:
    """The program for stacks of one shape and layout; addresses are put in for each run."""
    activations = None if is_dense(layout) else integer_room(width)
    step = 4 * width if activations is None else activations.buffer.row_bytes
    stages = []
    if activations is not None:
        source: list[Argument] = [Current(Number.INPUT), 4 * width]
        stages.append(Stage([quantize_call(source, width, {Number.TOKENS: 1}, activations)]))
    products = Stage()
    for expert in range(experts):
        count, given_at, weight, target, bias = (_FIRST + field * experts + expert for field in range(_FIELDS))
        given: list[Argument] = [Current(given_at), step]
        output: list[Argument] = [Current(target), 4 * rows]
        call = product_call(
            layout,
            Table(0, rows, width, row_bytes),
            count,
            given,
            output,
            weight=Current(weight),
            bias=Current(bias),
        )
        products.calls.append(call)
    stages.append(products)
    return _Grouped(Program(stages, _FIELDS * experts), experts, activations)
