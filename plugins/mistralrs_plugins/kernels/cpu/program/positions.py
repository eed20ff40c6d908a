"""Calls for what depends on a token's position: angles, the turning of heads, and how long a request may become."""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs.ops.recorder import Call as Operation
from mistralrs.ops.recorder import Slot
from mistralrs_plugins.kernels.cpu.program.arguments import AddressOf, Argument, Call, Number, strided
from mistralrs_plugins.kernels.cpu.program.values import Rows, Values
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled


class Positions(Values):
    """The operations of :mod:`.kernels.rotary`. ``reads_limits`` says whether a step has to come with limits."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.reads_limits = False

    def _rotation(self, _index: int, call: Operation) -> None:
        positions, frequencies, factor = call.args
        self.is_input(positions, "positions")
        reads = []
        if isinstance(frequencies, Slot):
            reads.append(self.place(frequencies))
            given, count = strided(reads[0]), reads[0].width
        else:
            vector = self.vector(frequencies)
            given, count = [vector.data_ptr(), 0], len(vector)
        cos, sin = (self.new(slot, count) for slot in call.results)
        arguments: list[Argument] = [AddressOf(Number.POSITIONS), *given, count, float(factor)]
        arguments += [*strided(cos), *strided(sin)]
        self.emit(Call("rotary:rotation", arguments, per={Number.TOKENS: 1}), reads, [cos, sin])

    def _long_frequencies(self, _index: int, call: Operation) -> None:
        meta, short, long, trained = call.args
        self.is_input(meta, "meta")
        sets = self.vector(short), self.vector(long)
        if len(sets[0]) != len(sets[1]):
            raise NotCompiled("two sets of frequencies of different sizes")
        self.reads_limits, target = True, self.new(call.results[0], len(sets[0]))
        arguments: list[Argument] = [AddressOf(Number.LIMITS), int(trained), *(each.data_ptr() for each in sets)]
        arguments += [target.width, *strided(target)]
        self.emit(Call("rotary:long_frequencies", arguments, per={Number.TOKENS: 1}), [], [target])

    def _dynamic_frequencies(self, _index: int, call: Operation) -> None:
        meta, rotary, theta, factor, trained = call.args
        self.is_input(meta, "meta")
        self.reads_limits, target = True, self.new(call.results[0], -(-rotary // 2))
        numbers = np.array([theta, factor], np.float64)
        self.keep.append(numbers)
        arguments: list[Argument] = [AddressOf(Number.LIMITS), int(trained), numbers.ctypes.data, int(rotary)]
        arguments += strided(target)
        self.emit(Call("rotary:dynamic_frequencies", arguments, per={Number.TOKENS: 1}), [], [target])

    def _position_scale(self, _index: int, call: Operation) -> None:
        x, positions, stretch, factor, first = call.args
        self.is_input(positions, "positions")
        source = self.place(x)
        if self.rows(x) != Rows():
            raise NotCompiled("a scale by position of other rows than the tokens'")
        target = self.new(call.results[0], source.width)
        arguments: list[Argument] = [AddressOf(Number.POSITIONS), *strided(source), source.width]
        arguments += [float(stretch), float(factor), int(first), *strided(target)]
        self.emit(Call("rotary:position_scale", arguments, per={Number.TOKENS: 1}), [source], [target])

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
