"""From a recorded step to stages of kernel calls.

A recording names each value by a slot and lists operations over them. Here each operation becomes a call, or part of a
neighbour's: a norm or an activation also writes the integers that the next product wants; products of one input
share a stage; a residual is added where its product is stored. Calls that need nothing from each other run in one
stage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mistralrs.ops import Recording, Weight
from mistralrs.ops.recorder import INPUTS, Slot
from mistralrs.ops.recorder import Call as Operation
from mistralrs_plugins.kernels.cpu.program import attention
from mistralrs_plugins.kernels.cpu.program.arguments import (
    AddressOf,
    Argument,
    Buffer,
    Call,
    Current,
    Number,
    Place,
    strided,
)
from mistralrs_plugins.kernels.cpu.program.elementwise import Elementwise
from mistralrs_plugins.kernels.cpu.program.mixtures import Mixtures
from mistralrs_plugins.kernels.cpu.program.positions import Positions
from mistralrs_plugins.kernels.cpu.program.products import is_dense, product_call
from mistralrs_plugins.kernels.cpu.program.values import Rows
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled, for_products, for_rows

_NUMBERED = {Slot(INPUTS.index("ids")): Number.IDS, Slot(INPUTS.index("positions")): Number.POSITIONS}
"""What rows of a table can be taken by."""


class Lowering(Elementwise, Mixtures, Positions):
    """One recording on its way. After :meth:`run`, ``stages`` holds the program and ``keep`` what it points at."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording)
        self.fused: set[int] = set()
        self.attention = attention.Needs()
        self.written: dict[int, Place] = {}  # by cache: stands for what was appended to it

    def run(self) -> None:
        """Lower every operation. Raises NotCompiled when that cannot be done with the kernels here."""
        missing = {call.op for call in self.recording.calls if not hasattr(self, f"_{call.op}")}
        if missing:
            raise NotCompiled(f"no compiled form of {', '.join(sorted(missing))}")
        for index, call in enumerate(self.recording.calls):
            if index not in self.fused:
                lower: Callable[[int, Operation], None] = getattr(self, f"_{call.op}")
                lower(index, call)
        if self.logits != self.recording.output:
            raise NotCompiled("the step does not end in logits")

    def kernels(self) -> set[str]:
        """The kernels that the program calls."""
        return {kernel for stage in self.stages for call in stage.calls for kernel in call.kernels}

    def _embed(self, _index: int, call: Operation) -> None:
        ids, weight, dtype, scale = call.args
        if dtype != torch.float32:
            raise NotCompiled(f"activations in {dtype}")
        if ids not in _NUMBERED:
            raise NotCompiled("rows of a table by numbers of another step")
        table = self.table(for_rows(weight))
        target = self.new(call.results[0], table.width)
        arguments: list[Argument] = [
            AddressOf(_NUMBERED[ids]),
            table.address,
            table.row_bytes,
            table.rows,
            table.width,
            float(scale),
        ]
        name = f"dense:make_embed:{call.layout}"
        self.emit(Call(name, [*arguments, *strided(target)], per={Number.TOKENS: 1}), [], [target])

    def _rms_norm(self, _index: int, call: Operation) -> None:
        x, weight, eps, offset = call.args
        vector = self.vector(weight)
        self._norm("norm:rms_norm", call, x, len(vector), [vector.data_ptr(), float(eps), float(offset)])

    def _layer_norm(self, _index: int, call: Operation) -> None:
        x, weight, bias, eps, group = call.args
        factors: list[Argument] = []
        for given in (weight, bias):
            vector = None if given is None else self.vector(given)
            if vector is not None and len(vector) not in (group, self.place(x).width):
                raise NotCompiled("a norm whose weight is neither a group's nor a row's")
            factors += [0, 0] if vector is None else [vector.data_ptr(), 0 if len(vector) == group else 4 * group]
        self._norm("norm:layer_norm", call, x, group, [*factors, float(eps)])

    def _norm(self, kernel: str, call: Operation, x: Any, group: int, own: list[Argument]) -> None:
        """A norm of groups of a row, quantized on the way when a product follows."""
        source, slot, rows = self.place(x), call.results[0], self.rows(x)
        if source.width % group:
            raise NotCompiled("a norm that is no divisor of its row")
        target = self.new(slot, source.width, rows)
        writes = [target]
        arguments = [*strided(source), source.width // group, group, *strided(target)]
        arguments += [*self.with_integers(slot, writes), *own]
        self.emit(Call(kernel, arguments, per=rows.times()), [source], writes)

    def _linear(self, index: int, call: Operation) -> None:
        """A product; when only a residual addition uses its result, that too."""
        x, weight, bias = call.args
        slot, residual = call.results[0], None
        users = self.users[slot]
        if len(users) == 1 and self.recording.calls[users[0]].op == "add":
            addition = self.recording.calls[users[0]]
            other = next((arg for arg in addition.args if arg != Slot(slot)), None)
            if isinstance(other, Slot) and other.index in self.places and self.rows(other) == self.rows(x):
                residual = self.place(other)
                self.fused.add(users[0])
                slot = addition.results[0]
        target = self.new(slot, weight.shape[0], self.rows(x))
        self._product(call, x, weight, bias, residual, target)

    def _head(self, _index: int, call: Operation) -> None:
        x, weight, bias = call.args
        if self.logits >= 0 or self.rows(x) != Rows(Number.ROWS):
            raise NotCompiled("logits of other than the wanted rows")
        self.vocab, self.logits = weight.shape[0], call.results[0]
        self._product(call, x, weight, bias, None, None)

    def _product(
        self, call: Operation, x: Any, weight: Weight, bias: Tensor | None, residual: Place | None, target: Place | None
    ) -> None:
        table, source, rows = self.table(for_products(weight)), self.place(x), self.rows(x)
        if source.width != table.width or rows.each != 1:
            raise NotCompiled("a product of other sizes than its weight")
        given = source if is_dense(call.layout) else self.integers(x)
        output: list[Argument] = [Current(Number.LOGITS), 4 * self.vocab] if target is None else strided(target)
        added: list[Argument] = [0, 0] if residual is None else strided(residual)
        first = 0 if bias is None else self.vector(bias).data_ptr()
        reads, writes = [] if residual is None else [residual], [self.logits_mark if target is None else target]
        product = product_call(call.layout, table, rows.number, given, output, bias=first, residual=added)
        self.emit(product, [given, *reads], writes)

    def _write_kv(self, _index: int, call: Operation) -> None:
        k, v, cache, meta = call.args
        self.is_input(meta, "meta")
        keys, values = self.place(k), self.place(v)
        mark = self.written[id(cache)] = Place(Buffer(0), 0)
        self.keep.append(cache)
        self.emit(attention.write_call(keys, values, cache), [keys, values], [mark])

    def _attend(self, _index: int, call: Operation) -> None:
        self._attention(call, None)

    def _attend_sinks(self, _index: int, call: Operation) -> None:
        self._attention(call, self.vector(call.args[4]))

    def _attention(self, call: Operation, sinks: Tensor | None) -> None:
        q, cache, meta, spec = call.args[:4]
        self.is_input(meta, "meta")
        queries, v_dim = self.place(q), cache.v.shape[3]
        if id(cache) not in self.written:
            raise NotCompiled("attention over a cache that this step does not append to")
        target = self.new(call.results[0], spec.heads * v_dim)
        attend, merge = attention.attend_calls(queries, target, cache, spec, sinks)
        self.attention.include(spec, v_dim)
        self.emit(attend, [queries, self.written[id(cache)]], [target])
        self.emit(merge, [target], [target])

    def _rows(self, _index: int, call: Operation) -> None:
        x, index = call.args
        self.is_input(index, "rows")
        source = self.place(x)
        target = self.new(call.results[0], source.width, Rows(Number.ROWS))
        arguments: list[Argument] = [*strided(source), AddressOf(Number.TOKENS), AddressOf(Number.WANTED), source.width]
        self.emit(Call("elementwise:rows", [*arguments, *strided(target)], per={Number.ROWS: 1}), [source], [target])
