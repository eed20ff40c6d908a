"""From a recorded step to stages of kernel calls.

A recording names each value by a slot and lists operations over them. Here each operation becomes a call, or part of a
neighbour's: a norm or an activation also writes the 8-bit form that the next product wants; products of one input
share a stage; a residual is added where its product is stored. Calls that need nothing from each other run in one
stage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mistralrs.layouts import LAYOUTS
from mistralrs.ops import Recording, Weight
from mistralrs.ops.recorder import INPUTS
from mistralrs.ops.recorder import Call as Operation
from mistralrs.ops.recorder import Slot
from mistralrs_plugins.kernels.cpu.program import attention
from mistralrs_plugins.kernels.cpu.program.arguments import AddressOf, Argument, Buffer, Call, Number, Place, Stage
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled, Table, float_vector, table_of

SLICE = 512
"""Elements in a chunk of an element-wise kernel; the kernels' own SLICE."""
_CHUNK_BYTES = 64 * 1024
"""Weights in one chunk of a product. Shorter runs break the processor's prefetching; longer ones leave threads idle."""
_ACTIVATIONS = ("silu", "gelu_pytorch_tanh")


class Lowering:
    """One recording on its way. After :meth:`run`, ``stages`` holds the program and ``keep`` what it points at."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.stages: list[Stage] = []
        self.keep: list[Any] = []
        self.places: dict[int, Place] = {}
        self.ready: dict[int, int] = {}  # by buffer: the stage after which it is written
        self.quantized: dict[tuple[int, bool], Place] = {}
        self.fused: set[int] = set()
        self.rows_of: dict[int, Number] = {}
        self.vocab = 0
        self.attention: attention.Needs | None = None
        self.users: dict[int, list[int]] = defaultdict(list)
        for index, call in enumerate(recording.calls):
            for arg in call.args:
                if isinstance(arg, Slot):
                    self.users[arg.index].append(index)

    def run(self) -> None:
        """Lower every operation. Raises NotCompiled for the first that has no kernel here."""
        for index, call in enumerate(self.recording.calls):
            if index in self.fused:
                continue
            lower: Callable[[int, Operation], None] | None = getattr(self, f"_{call.op}", None)
            if lower is None:
                raise NotCompiled(f"the operation {call.op} has no compiled form")
            lower(index, call)
        if not self.vocab:
            raise NotCompiled("the step does not end in logits")

    # Values

    def place(self, slot: Any) -> Place:
        """Where the value of a slot lies."""
        if not isinstance(slot, Slot) or slot.index not in self.places:
            raise NotCompiled("a value comes from outside the step")
        return self.places[slot.index]

    def rows(self, slot: Any) -> Number:
        """Whether a value has a row for every token or for every wanted row."""
        return self.rows_of.get(slot.index, Number.TOKENS)

    def new(self, slot: int, width: int, rows: Number = Number.TOKENS) -> Place:
        """Room for the value of a slot."""
        place = Place(Buffer(4 * width), width)
        self.places[slot] = place
        self.rows_of[slot] = rows
        return place

    def emit(self, call: Call, reads: list[Place], writes: list[Place]) -> None:
        """Put a call into the first stage after all that it reads was written."""
        stage = max((self.ready[id(place.buffer)] + 1 for place in reads), default=0)
        while len(self.stages) <= stage:
            self.stages.append(Stage())
        self.stages[stage].calls.append(call)
        for place in writes:
            self.ready[id(place.buffer)] = max(stage, self.ready.get(id(place.buffer), stage))

    def eight_bit(self, slot: Any, paired: bool) -> Place:
        """The 8-bit form of a value; made by a call of its own unless its producer already wrote it."""
        key = (slot.index, paired)
        if key not in self.quantized:
            source = self.place(slot)
            target = self.quantized[key] = _eight_bit_room(source.width)
            arguments = [*_strided(source), source.width, *_strided(target), int(paired)]
            call = Call("activations:quantize", arguments, per={self.rows(slot): 1})
            self.emit(call, [source], [target])
        return self.quantized[key]

    def wanted_form(self, slot: int) -> bool | None:
        """Whether the products of a value want it in 8 bits, paired or not; None when it is not multiplied so."""
        place = self.places[slot]
        for index in self.users[slot]:
            call = self.recording.calls[index]
            if call.op in ("linear", "head") and not LAYOUTS[call.layout].dense and place.width % 32 == 0:
                return _paired(call.layout)
        return None

    def with_eight_bit(self, slot: int, writes: list[Place]) -> list[Argument]:
        """Arguments by which a producer also writes the 8-bit form; all zero when nobody wants it."""
        paired = self.wanted_form(slot)
        if paired is None:
            return [0, 0, 0]
        target = self.quantized[slot, paired] = _eight_bit_room(self.places[slot].width)
        writes.append(target)
        return [*_strided(target), int(paired)]

    # Operations

    def _embed(self, _index: int, call: Operation) -> None:
        ids, weight, dtype, scale = call.args
        if dtype != torch.float32:
            raise NotCompiled(f"activations in {dtype}")
        self._is_input(ids, "ids")
        table = self._table(weight)
        target = self.new(call.results[0], table.width)
        arguments = [AddressOf(Number.IDS), table.address, table.row_bytes, table.rows, table.width, float(scale)]
        name = f"dense:make_embed:{call.layout}"
        self.emit(Call(name, [*arguments, *_strided(target)], per={Number.TOKENS: 1}), [], [target])

    def _rotation(self, _index: int, call: Operation) -> None:
        positions, frequencies, factor = call.args
        self._is_input(positions, "positions")
        vector = self._vector(frequencies)
        cos, sin = (self.new(slot, len(vector)) for slot in call.results)
        arguments = [AddressOf(Number.POSITIONS), vector.data_ptr(), len(vector), float(factor)]
        arguments += [*_strided(cos), *_strided(sin)]
        self.emit(Call("rotary:rotation", arguments, per={Number.TOKENS: 1}), [], [cos, sin])

    def _rms_norm(self, _index: int, call: Operation) -> None:
        x, weight, eps, offset = call.args
        source, vector = self.place(x), self._vector(weight)
        slot, rows = call.results[0], self.rows(x)
        target = self.new(slot, source.width, rows)
        writes = [target]
        groups, rest = divmod(source.width, len(vector))
        if rest:
            raise NotCompiled("a norm that is no divisor of its row")
        arguments = [*_strided(source), groups, len(vector), vector.data_ptr(), float(eps), float(offset)]
        arguments += [*_strided(target), *self.with_eight_bit(slot, writes)]
        self.emit(Call("norm:rms_norm", arguments, per={rows: 1}), [source], writes)

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

    def _head(self, index: int, call: Operation) -> None:
        x, weight, bias = call.args
        self.vocab = weight.shape[0]
        self._product(call, x, weight, bias, None, None)
        self.places[call.results[0]] = Place(Buffer(0), self.vocab)
        users = [self.recording.calls[user].op for user in self.users[call.results[0]]]
        if users not in ([], ["softcap"]) or index + 1 + len(users) != len(self.recording.calls):
            raise NotCompiled("something follows the logits")

    def _product(
        self, call: Operation, x: Any, weight: Weight, bias: Tensor | None, residual: Place | None, target: Place | None
    ) -> None:
        table, source, rows = self._table(weight), self.place(x), self.rows(x)
        if source.width != table.width:
            raise NotCompiled("a product of other sizes than its weight")
        dense = LAYOUTS[call.layout].dense
        given = source if dense else self.eight_bit(x, _paired(call.layout))
        bias_address = 0 if bias is None else self._vector(bias).data_ptr()
        each = max(8, _CHUNK_BYTES // table.row_bytes // 8 * 8)
        output: list[Argument] = [AddressOf(Number.LOGITS), 4 * self.vocab] if target is None else _strided(target)
        arguments: list[Argument] = [AddressOf(rows), *_strided(given), table.width]
        arguments += [table.address, table.row_bytes, table.rows, *output]
        arguments += [0, 0] if residual is None else _strided(residual)
        arguments += [bias_address, each, *_scratch(0 if dense else 64 * table.width)]
        kernel = f"{'dense' if dense else 'product'}:make_product:{call.layout}"
        reads = [given] if residual is None else [given, residual]
        self.emit(Call(kernel, arguments, fixed=-(-table.rows // each)), reads, [] if target is None else [target])
