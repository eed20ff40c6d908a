"""From a recorded step to stages of kernel calls.

A recording names each value by a slot and lists operations over them. Here each operation becomes a call, or part of a
neighbour's: a norm or an activation also writes the integers that the next product wants; products of one input
share a stage; a residual is added where its product is stored. Calls that need nothing from each other run in one
stage.
"""

from __future__ import annotations

from collections import defaultdict
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
    Stage,
    strided,
)
from mistralrs_plugins.kernels.cpu.program.products import (
    integer_room,
    is_dense,
    product_call,
    quantize_call,
)
from mistralrs_plugins.kernels.cpu.program.weights import (
    NotCompiled,
    Table,
    float_vector,
    for_products,
    for_rows,
    table_of,
)

SLICE = 512
"""Elements in a chunk of an element-wise kernel; the kernels' own SLICE."""
_ACTIVATIONS = ("silu", "gelu_pytorch_tanh")


class Lowering:
    """One recording on its way. After :meth:`run`, ``stages`` holds the program and ``keep`` what it points at."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.stages: list[Stage] = []
        self.keep: list[Any] = []
        self.places: dict[int, Place] = {}
        self.ready: dict[int, int] = {}  # by buffer: the stage after which it is written
        self.quantized: dict[int, Place] = {}
        self.fused: set[int] = set()
        self.rows_of: dict[int, Number] = {}
        self.vocab = 0
        self.attention = attention.Needs()
        self.written: dict[int, Place] = {}  # by cache: stands for what was appended to it
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

    def kernels(self) -> set[str]:
        """The kernels that the program calls."""
        return {call.kernel for stage in self.stages for call in stage.calls}

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

    def integers(self, slot: Any) -> Place:
        """A value as integers; made by a call of its own unless its producer already wrote them."""
        if slot.index not in self.quantized:
            source = self.place(slot)
            target = self.quantized[slot.index] = integer_room(source.width)
            self.emit(quantize_call(strided(source), source.width, self.rows(slot), target), [source], [target])
        return self.quantized[slot.index]

    def with_integers(self, slot: int, writes: list[Place]) -> list[Argument]:
        """Arguments by which a producer also writes its value as integers; zero when no product wants them."""
        width = self.places[slot].width
        users = (self.recording.calls[index] for index in self.users[slot])
        if width % 32 or not any(user.op in ("linear", "head") and not is_dense(user.layout) for user in users):
            return [0, 0]
        target = self.quantized[slot] = integer_room(width)
        writes.append(target)
        return strided(target)

    # Operations

    def _embed(self, _index: int, call: Operation) -> None:
        ids, weight, dtype, scale = call.args
        if dtype != torch.float32:
            raise NotCompiled(f"activations in {dtype}")
        self._is_input(ids, "ids")
        table = self._table(for_rows(weight))
        target = self.new(call.results[0], table.width)
        arguments: list[Argument] = [
            AddressOf(Number.IDS),
            table.address,
            table.row_bytes,
            table.rows,
            table.width,
            float(scale),
        ]
        name = f"dense:make_embed:{call.layout}"
        self.emit(Call(name, [*arguments, *strided(target)], per={Number.TOKENS: 1}), [], [target])

    def _rotation(self, _index: int, call: Operation) -> None:
        positions, frequencies, factor = call.args
        self._is_input(positions, "positions")
        vector = self._vector(frequencies)
        cos, sin = (self.new(slot, len(vector)) for slot in call.results)
        arguments: list[Argument] = [AddressOf(Number.POSITIONS), vector.data_ptr(), len(vector), float(factor)]
        arguments += [*strided(cos), *strided(sin)]
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
        arguments: list[Argument] = [
            *strided(source),
            groups,
            len(vector),
            vector.data_ptr(),
            float(eps),
            float(offset),
        ]
        arguments += [*strided(target), *self.with_integers(slot, writes)]
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
        table, source, rows = self._table(for_products(weight)), self.place(x), self.rows(x)
        if source.width != table.width:
            raise NotCompiled("a product of other sizes than its weight")
        given = source if is_dense(call.layout) else self.integers(x)
        output: list[Argument] = [Current(Number.LOGITS), 4 * self.vocab] if target is None else strided(target)
        added: list[Argument] = [0, 0] if residual is None else strided(residual)
        first = 0 if bias is None else self._vector(bias).data_ptr()
        reads, writes = [] if residual is None else [residual], [] if target is None else [target]
        product = product_call(call.layout, table, rows, given, output, bias=first, residual=added)
        self.emit(product, [given, *reads], writes)

    def _rope(self, _index: int, call: Operation) -> None:
        x, cos, sin, head_dim, style = call.args
        source, cosines, sines = self.place(x), self.place(cos), self.place(sin)
        pairs = cosines.width
        if source.width % head_dim or 2 * pairs > head_dim or style not in ("halves", "adjacent"):
            raise NotCompiled("a rotation of other sizes than its heads")
        target = self.new(call.results[0], source.width, self.rows(x))
        apart, step = (pairs, 1) if style == "halves" else (1, 2)
        arguments: list[Argument] = [
            *strided(source),
            source.width // head_dim,
            head_dim,
            *strided(cosines),
            *strided(sines),
        ]
        arguments += [pairs, apart, step, *strided(target)]
        self.emit(Call("rotary:rope", arguments, per={Number.TOKENS: 1}), [source, cosines, sines], [target])

    def _write_kv(self, _index: int, call: Operation) -> None:
        k, v, cache, meta = call.args
        self._is_input(meta, "meta")
        keys, values = self.place(k), self.place(v)
        mark = self.written[id(cache)] = Place(Buffer(0), 0)
        self.keep.append(cache)
        self.emit(attention.write_call(keys, values, cache), [keys, values], [mark])

    def _attend(self, _index: int, call: Operation) -> None:
        self._attention(call, None)

    def _attend_sinks(self, _index: int, call: Operation) -> None:
        self._attention(call, self._vector(call.args[4]))

    def _attention(self, call: Operation, sinks: Tensor | None) -> None:
        q, cache, meta, spec = call.args[:4]
        self._is_input(meta, "meta")
        queries, v_dim = self.place(q), cache.v.shape[3]
        if id(cache) not in self.written:
            raise NotCompiled("attention over a cache that this step does not append to")
        target = self.new(call.results[0], spec.heads * v_dim)
        attend, merge = attention.attend_calls(queries, target, cache, spec, sinks)
        self.attention.include(spec, v_dim)
        self.emit(attend, [queries, self.written[id(cache)]], [target])
        self.emit(merge, [target], [target])

    def _gated(self, _index: int, call: Operation) -> None:
        gate, up, activation = call.args
        if activation not in _ACTIVATIONS:
            raise NotCompiled(f"the activation {activation}")
        x, y, slot = self.place(gate), self.place(up), call.results[0]
        target = self.new(slot, x.width, self.rows(gate))
        writes = [target]
        arguments: list[Argument] = [
            *_sliced(x.width),
            *strided(x),
            *strided(y),
            *strided(target),
            *self.with_integers(slot, writes),
        ]
        name = f"elementwise:make_gated:{activation}"
        self.emit(Call(name, arguments, per={self.rows(gate): _slices(x.width)}), [x, y], writes)

    def _add(self, _index: int, call: Operation) -> None:
        x, y = (self.place(arg) for arg in call.args)
        rows = self.rows(call.args[0])
        target = self.new(call.results[0], x.width, rows)
        arguments: list[Argument] = [*_sliced(x.width), *strided(x), *strided(y), *strided(target)]
        self.emit(Call("elementwise:add", arguments, per={rows: _slices(x.width)}), [x, y], [target])

    def _split(self, _index: int, call: Operation) -> None:
        """Pieces are columns of the whole: nothing to do at run time."""
        x, sizes = call.args
        whole, at = self.place(x), 0
        if sum(sizes) != whole.width:
            raise NotCompiled("pieces that do not add up to their whole")
        for slot, size in zip(call.results, sizes, strict=True):
            self.places[slot] = Place(whole.buffer, size, whole.offset + 4 * at)
            self.rows_of[slot] = self.rows(x)
            at += size

    def _rows(self, _index: int, call: Operation) -> None:
        x, index = call.args
        self._is_input(index, "rows")
        source = self.place(x)
        target = self.new(call.results[0], source.width, Number.ROWS)
        arguments: list[Argument] = [*strided(source), AddressOf(Number.TOKENS), AddressOf(Number.WANTED), source.width]
        self.emit(Call("elementwise:rows", [*arguments, *strided(target)], per={Number.ROWS: 1}), [source], [target])

    def _softcap(self, index: int, call: Operation) -> None:
        """Of the logits only, in place."""
        if index + 1 != len(self.recording.calls) or not self.vocab:
            raise NotCompiled("a soft cap on something else than the logits")
        arguments: list[Argument] = [*_sliced(self.vocab), Current(Number.LOGITS), 4 * self.vocab, float(call.args[1])]
        self.stages.append(Stage([Call("elementwise:softcap", arguments, per={Number.ROWS: _slices(self.vocab)})]))

    # Constants and inputs

    def _is_input(self, arg: Any, name: str) -> None:
        if arg != Slot(INPUTS.index(name)):
            raise NotCompiled(f"{name} of another step")

    def _table(self, weight: Weight) -> Table:
        self.keep.append(weight)
        return table_of(weight)

    def _vector(self, tensor: Any) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise NotCompiled("a vector that is not a constant")
        vector = float_vector(tensor)
        self.keep.append(vector)
        return vector


def _slices(width: int) -> int:
    return -(-width // SLICE)


def _sliced(width: int) -> list[Argument]:
    return [width, _slices(width)]
