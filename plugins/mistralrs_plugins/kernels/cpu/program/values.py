"""What a recording's values become in a program: places in buffers, written in one stage and read in a later one."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from torch import Tensor

from mistralrs.ops import Recording, Weight
from mistralrs.ops.recorder import INPUTS, Slot
from mistralrs_plugins.kernels.cpu.program.arguments import (
    Argument,
    Buffer,
    Call,
    Number,
    Place,
    Stage,
    strided,
)
from mistralrs_plugins.kernels.cpu.program.products import integer_room, is_dense, quantize_call
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled, Table, float_vector, table_of


class Rows(NamedTuple):
    """How many rows a value has: ``each`` for every token, or for every wanted row."""

    number: Number = Number.TOKENS
    each: int = 1

    def times(self, chunks: int = 1) -> dict[Number, int]:
        """So many chunks for every row."""
        return {self.number: chunks * self.each}


EACH_TOKEN = Rows()


class Values:
    """The values of one recording on its way to ``stages``. ``keep`` holds what these point at."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.stages: list[Stage] = []
        self.keep: list[Any] = []
        self.places: dict[int, Place] = {}
        self.ready: dict[int, int] = {}  # by buffer: the stage after which it is written
        self.quantized: dict[int, Place] = {}
        self.rows_of: dict[int, Rows] = {}
        self.vocab = 0
        self.logits, self.logits_mark = -1, Place(Buffer(0), 0)  # their slot, and what stands for their memory
        self.users: dict[int, list[int]] = defaultdict(list)
        for index, call in enumerate(recording.calls):
            for arg in call.args:
                if isinstance(arg, Slot):
                    self.users[arg.index].append(index)

    def place(self, slot: Any) -> Place:
        """Where the value of a slot lies."""
        if not isinstance(slot, Slot) or slot.index not in self.places:
            raise NotCompiled("a value comes from outside the step")
        return self.places[slot.index]

    def rows(self, slot: Any) -> Rows:
        """How many rows a value has."""
        return self.rows_of.get(slot.index, EACH_TOKEN)

    def new(self, slot: int, width: int, rows: Rows = EACH_TOKEN) -> Place:
        """Room for the value of a slot."""
        place = Place(Buffer(4 * width, rows.each), width)
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
            source, rows = self.place(slot), self.rows(slot)
            target = self.quantized[slot.index] = integer_room(source.width, rows.each)
            self.emit(quantize_call(strided(source), source.width, rows.times(), target), [source], [target])
        return self.quantized[slot.index]

    def with_integers(self, slot: int, writes: list[Place]) -> list[Argument]:
        """Arguments by which a producer also writes its value as integers; zero when no product wants them."""
        width = self.places[slot].width
        users = (self.recording.calls[index] for index in self.users[slot])
        products = ("linear", "head", "expert_linear")
        if width % 32 or not any(user.op in products and not is_dense(user.layout) for user in users):
            return [0, 0]
        target = self.quantized[slot] = integer_room(width, self.rows_of[slot].each)
        writes.append(target)
        return strided(target)

    def is_input(self, arg: Any, name: str) -> None:
        """Raises NotCompiled for anything but the step's own ``name``."""
        if arg != Slot(INPUTS.index(name)):
            raise NotCompiled(f"{name} of another step")

    def table(self, weight: Weight) -> Table:
        """Where a weight lies; it stays there for as long as the program."""
        self.keep.append(weight)
        return table_of(weight)

    def vector(self, tensor: Any) -> Tensor:
        """A constant vector in float32, likewise."""
        if not isinstance(tensor, Tensor):
            raise NotCompiled("a vector that is not a constant")
        vector = float_vector(tensor)
        self.keep.append(vector)
        return vector
