"""Calls for what happens to rows element by element, and for pieces of rows that are cut apart or put side by side."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mistralrs.ops.recorder import Call as Operation
from mistralrs.ops.recorder import Slot
from mistralrs_plugins.kernels.cpu.kernels.sizes import ACTIVATIONS, GATES, SLICE
from mistralrs_plugins.kernels.cpu.program.arguments import Argument, Call, Current, Number, Place, strided
from mistralrs_plugins.kernels.cpu.program.values import Rows, Values
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled


class Elementwise(Values):
    """The operations of :mod:`.kernels.elementwise`."""

    def _gated(self, _index: int, call: Operation) -> None:
        gate, up, activation = call.args
        if activation not in (*ACTIVATIONS, *GATES):
            raise NotCompiled(f"the activation {activation}")
        x, y, slot, rows = self.place(gate), self.place(up), call.results[0], self.rows(up)
        if x.width not in (1, y.width) or self.rows(gate) != rows:
            raise NotCompiled("a gate of another size than what passes through it")
        target = self.new(slot, y.width, rows)
        writes = [target]
        arguments = [*_sliced(y.width), *strided(x), *strided(y), *strided(target), *self.with_integers(slot, writes)]
        name = f"elementwise:make_{'gated' if x.width == y.width else 'switched'}:{activation}"
        self.emit(Call(name, arguments, per=rows.times(_slices(y.width))), [x, y], writes)

    def _activate(self, _index: int, call: Operation) -> None:
        x, activation = call.args
        if activation not in ACTIVATIONS:
            raise NotCompiled(f"the activation {activation}")
        self._unary(activation, call, x)

    def _xielu(self, _index: int, call: Operation) -> None:
        x, *numbers = call.args
        if not all(isinstance(number, Tensor) and number.numel() == 1 for number in numbers):
            raise NotCompiled("an xIELU with other than constant numbers")
        self._unary("xielu", call, x, *(float(number) for number in numbers))

    def _scale(self, _index: int, call: Operation) -> None:
        self._unary("scale", call, call.args[0], float(call.args[1]))

    def _clamp(self, _index: int, call: Operation) -> None:
        self._unary("clamp", call, call.args[0], float(call.args[1]))

    def _softcap(self, _index: int, call: Operation) -> None:
        self._unary("softcap", call, call.args[0], float(call.args[1]))

    def _unary(self, function: str, call: Operation, x: Any, *numbers: float) -> None:
        """``function(x)``; of the logits in place."""
        name, slot = f"elementwise:make_unary:{function}", call.results[0]
        if isinstance(x, Slot) and x.index == self.logits:
            self.logits = slot
            there: list[Argument] = [Current(Number.LOGITS), 4 * self.vocab]
            arguments = [*_sliced(self.vocab), *there, *there, 0, 0, *numbers]
            rows = Rows(Number.ROWS).times(_slices(self.vocab))
            self.emit(Call(name, arguments, per=rows), [self.logits_mark], [self.logits_mark])
            return
        source = self.place(x)
        target = self.new(slot, source.width, self.rows(x))
        writes = [target]
        arguments = [*_sliced(source.width), *strided(source), *strided(target)]
        arguments += [*self.with_integers(slot, writes), *numbers]
        self.emit(Call(name, arguments, per=self.rows(x).times(_slices(source.width))), [source], writes)

    def _add(self, _index: int, call: Operation) -> None:
        self._binary("add", call)

    def _multiply(self, _index: int, call: Operation) -> None:
        self._binary("multiply", call)

    def _binary(self, function: str, call: Operation) -> None:
        """``x`` and ``y``, which may be one constant row for all tokens."""
        x, y = call.args
        left, rows = self.place(x), self.rows(x)
        reads = [left]
        if isinstance(y, Tensor):
            if tuple(y.shape) != (left.width,):
                raise NotCompiled("a constant of another width than what it is combined with")
            right: list[Argument] = [self.vector(y).data_ptr(), 0]
        else:
            reads.append(self.place(y))
            if reads[1].width != left.width or self.rows(y) != rows:
                raise NotCompiled("two values of different sizes")
            right = strided(reads[1])
        target = self.new(call.results[0], left.width, rows)
        arguments = [*_sliced(left.width), *strided(left), *right, *strided(target)]
        name = f"elementwise:make_binary:{function}"
        self.emit(Call(name, arguments, per=rows.times(_slices(left.width))), reads, [target])

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

    def _split_groups(self, _index: int, call: Operation) -> None:
        x, sizes, groups = call.args
        whole, rows = self.place(x), self.rows(x)
        if sum(sizes) * groups != whole.width:
            raise NotCompiled("pieces that do not add up to their whole")
        step, at = 4 * (whole.width // groups), 0
        for slot, size in zip(call.results, sizes, strict=True):
            piece = self.new(slot, size * groups, rows)
            source = Place(whole.buffer, size, whole.offset + 4 * at)
            self._copy(source, step, piece, 4 * size, groups, rows)
            at += size

    def _join_heads(self, _index: int, call: Operation) -> None:
        x, y, heads = call.args
        left, right, rows = self.place(x), self.place(y), self.rows(x)
        if left.width % heads or right.width % heads or self.rows(y) != rows:
            raise NotCompiled("heads of different sizes")
        whole = self.new(call.results[0], left.width + right.width, rows)
        step, at = 4 * (whole.width // heads), 0
        for piece in (left, right):
            size = piece.width // heads
            target = Place(whole.buffer, size, whole.offset + 4 * at)
            self._copy(Place(piece.buffer, size, piece.offset), 4 * size, target, step, heads, rows)
            at += size

    def _copy(self, source: Place, step: int, target: Place, target_step: int, groups: int, rows: Rows) -> None:
        """Pieces of the source's width out of every group, ``step`` bytes apart, to where they belong in the target."""
        arguments = [*strided(source), step, *strided(target), target_step, groups, source.width]
        self.emit(Call("elementwise:copy", arguments, per=rows.times()), [source], [target])


def _slices(width: int) -> int:
    return -(-width // SLICE)


def _sliced(width: int) -> list[Argument]:
    return [width, _slices(width)]
