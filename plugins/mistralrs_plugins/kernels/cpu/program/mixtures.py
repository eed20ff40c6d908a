"""Calls for mixtures of experts; which rows an expert gets is found out by the calls themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from mistralrs.ops.recorder import Call as Operation
from mistralrs.ops.recorder import Slot
from mistralrs_plugins.kernels.cpu.kernels.sizes import EXPERT_WORDS
from mistralrs_plugins.kernels.cpu.program.arguments import (
    AddressOf,
    Argument,
    Buffer,
    Call,
    CodeOf,
    Number,
    Place,
    Scratch,
    strided,
)
from mistralrs_plugins.kernels.cpu.program.products import is_dense, product_call
from mistralrs_plugins.kernels.cpu.program.values import Rows, Values
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled, Table, for_products


@dataclass(frozen=True, slots=True, eq=False)
class _Sorted:
    """Rows in the order of their experts: the table of :mod:`.kernels.mixtures`, and where each token's rows are."""

    table: np.ndarray[Any, np.dtype[np.int64]]
    experts: int
    places: Place


class Mixtures(Values):
    """The operations of :mod:`mistralrs.layers.moe`."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.chosen: dict[int, Place] = {}  # int64, unlike all other values
        self.sorted: dict[int, _Sorted] = {}

    def _route(self, _index: int, call: Operation) -> None:
        logits, bias, spec = call.args
        scores, experts = self.place(logits), self.place(logits).width
        if spec.scoring not in ("softmax", "sigmoid") or self.rows(logits) != Rows():
            raise NotCompiled(f"experts chosen by {spec.scoring}")
        fits = experts % spec.groups == 0 and spec.top_groups * (experts // spec.groups) >= spec.top_k
        if not fits or spec.top_groups > spec.groups or spec.group_best > experts // spec.groups:
            raise NotCompiled("experts chosen from groups of other sizes")
        vector = None if bias is None else self.vector(bias)
        if vector is not None and len(vector) != experts:
            raise NotCompiled("a bias of another number than experts")
        weights = self.new(call.results[0], spec.top_k)
        chosen = self.chosen[call.results[1]] = Place(Buffer(8 * spec.top_k), spec.top_k)
        scratch = Scratch(4 * (3 * experts + spec.groups))
        arguments: list[Argument] = [*strided(scores), experts, 0 if vector is None else vector.data_ptr(), spec.top_k]
        arguments += [int(spec.scoring == "sigmoid"), int(spec.normalize), float(spec.scale)]
        arguments += [spec.groups, spec.top_groups, spec.group_best, *strided(weights), *strided(chosen)]
        call_ = Call("mixtures:route", [*arguments, scratch, scratch.size], per={Number.TOKENS: 1})
        self.emit(call_, [scores], [weights, chosen])

    def _dispatch(self, _index: int, call: Operation) -> None:
        x, numbers, experts, weights = call.args
        source, slot = self.place(x), call.results[0]
        if not isinstance(numbers, Slot) or numbers.index not in self.chosen or self.rows(x) != Rows():
            raise NotCompiled("experts chosen outside the step")
        chosen = self.chosen[numbers.index]
        each = chosen.width
        table = np.zeros(2 * experts + 2, np.int64)
        self.keep.append(table)
        places, choices = Place(Buffer(8 * each), each), Place(Buffer(8, each), 1)
        found = _Sorted(table, experts, places)
        self.sorted[call.results[1]] = self.sorted[call.results[2]] = found
        arguments = [AddressOf(Number.TOKENS), *strided(chosen), each, experts, table.ctypes.data]
        arguments += [*strided(places), choices]
        self.emit(Call("mixtures:sort", arguments, fixed=1), [chosen], [places, choices])
        target = self.new(slot, source.width, Rows(each=each))
        reads, writes = [source, choices], [target]
        factors: list[Argument] = [0, 0]
        if weights is not None:
            reads.append(self.place(weights))
            factors = strided(reads[-1])
        arguments = [*strided(source), choices, each, *factors, source.width, *strided(target)]
        arguments += self.with_integers(slot, writes)
        self.emit(Call("mixtures:gather", arguments, per=self.rows(Slot(slot)).times()), reads, writes)

    def _expert_linear(self, _index: int, call: Operation) -> None:
        x, ends, stack, bias = call.args
        source, rows, found = self.place(x), self.rows(x), self._found(ends)
        tables = [self.table(for_products(weight)) for weight in stack.each]
        first = tables[0]
        if len(tables) != found.experts or any(table.row_bytes != first.row_bytes for table in tables):
            raise NotCompiled("experts of different sizes")
        if source.width != first.width or rows.number is not Number.TOKENS:
            raise NotCompiled("a product of other sizes than its weight")
        target = self.new(call.results[0], first.rows, rows)
        given = source if is_dense(call.layout) else self.integers(x)
        made = product_call(call.layout, Table(0, *_sizes(first)), Number.TOKENS, given, strided(target))
        own = self._addresses([table.address for table in tables])
        arguments: list[Argument] = [CodeOf(made.kernel), made.fixed, found.table.ctypes.data, found.experts, own]
        arguments += [*self._biases(bias, found.experts, first.rows), *_with_room(made.arguments)]
        per = rows.times(made.fixed)
        self.emit(Call("mixtures:product", arguments, per=per), [given, found.places], [target])

    def _combine(self, _index: int, call: Operation) -> None:
        x, order, top_k, weights = call.args
        source, found = self.place(x), self._found(order)
        if self.rows(x) != Rows(each=top_k) or found.places.width != top_k:
            raise NotCompiled("rows of another number than choices")
        reads = [source, found.places]
        factors: list[Argument] = [0, 0]
        if weights is not None:
            reads.append(self.place(weights))
            factors = strided(reads[-1])
        target = self.new(call.results[0], source.width)
        arguments = [*strided(source), *strided(found.places), top_k, *factors, source.width, *strided(target)]
        self.emit(Call("mixtures:combine", arguments, per={Number.TOKENS: 1}), reads, [target])

    def _found(self, slot: Any) -> _Sorted:
        if not isinstance(slot, Slot) or slot.index not in self.sorted:
            raise NotCompiled("rows sorted outside the step")
        return self.sorted[slot.index]

    def _addresses(self, addresses: list[int]) -> int:
        kept = np.array(addresses, np.int64)
        self.keep.append(kept)
        address: int = kept.ctypes.data
        return address

    def _biases(self, bias: Any, experts: int, rows: int) -> list[Argument]:
        """Where the experts' biases lie, and how far apart."""
        if bias is None:
            return [0, 0]
        if not isinstance(bias, Tensor) or bias.shape != (experts, rows):
            raise NotCompiled("biases of other sizes than their weights")
        return [self.vector(bias.flatten()).data_ptr(), 4 * rows]


def _sizes(table: Table) -> tuple[int, int, int]:
    return table.rows, table.width, table.row_bytes


def _with_room(arguments: Any) -> list[Argument]:
    """A product's arguments with room for an expert's own at the beginning of its scratch memory."""
    widened: list[Argument] = list(arguments)
    at = next(index for index, argument in enumerate(widened) if isinstance(argument, Scratch))
    size = widened[at].size + 8 * EXPERT_WORDS  # type: ignore[union-attr]
    widened[at : at + 2] = [Scratch(size), size]
    return widened
