"""The pieces a program is written in before it has addresses: values, arguments, calls, stages."""

from __future__ import annotations

import struct
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum


class Number(IntEnum):
    """The step's own numbers, by their place in its list. Kernels' chunks may be proportional to the first four."""

    TOKENS = 0
    ROWS = 1
    ITEMS = 2
    MERGES = 3
    IDS = 4
    POSITIONS = 5
    WANTED = 6
    SLOTS = 7
    BLOCKS = 8
    BLOCKS_WIDTH = 9
    CONTEXT = 10
    QUERY_START = 11
    SEQUENCES = 12
    ITEM_LIST = 13
    MERGE_LIST = 14
    PARTIALS = 15
    LOGITS = 16
    INPUT = 17
    WEIGHT = 18
    BIAS = 19
    SETTINGS = 20
    CHOSEN = 21
    TOTALS = 22
    CHANGES = 23
    LIMITS = 24
    TOP = 25
    TOLD_COUNTS = 26
    TOLD = 27
    ROW_MEMORY = 28


@dataclass(frozen=True, slots=True)
class AddressOf:
    """The address of one of the step's numbers: for what differs from step to step."""

    number: int


@dataclass(frozen=True, slots=True)
class Current:
    """One of the step's numbers itself, put into the arguments anew for each step."""

    number: int


@dataclass(eq=False, slots=True)
class Buffer:
    """Scratch memory for one intermediate value: ``each`` rows of ``row_bytes`` for every token of a step.

    ``first`` and ``last`` are the stages that use it. ``offset`` is its place in bytes for each token: the buffer
    starts at offset times capacity, and its rows lie one after another.
    """

    row_bytes: int
    each: int = 1
    first: int = -1
    last: int = -1
    offset: int = -1

    @property
    def size(self) -> int:
        """Bytes for each token."""
        return self.row_bytes * self.each


@dataclass(frozen=True, slots=True)
class Place:
    """A column of a buffer: ``width`` floats from byte ``offset`` on in every row."""

    buffer: Buffer
    width: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Scratch:
    """Memory that every thread has for itself. As an argument: its address; the next argument is its size."""

    size: int


@dataclass(frozen=True, slots=True)
class TilesFrom:
    """The machine's own number of rows from which products with a layout take tiles (:mod:`.crossover`)."""

    layout: str


@dataclass(frozen=True, slots=True)
class CodeOf:
    """The address of another kernel's machine code, for a kernel that calls it."""

    kernel: str


Argument = int | float | AddressOf | Current | Place | Scratch | TilesFrom | CodeOf
"""What a kernel is given: a number, a float, or something that becomes an address."""


@dataclass(slots=True)
class Call:
    """One kernel with its arguments. Chunks: ``fixed``, and so many for each token, row, item and merge."""

    kernel: str
    arguments: Sequence[Argument]
    fixed: int = 0
    per: dict[Number, int] = field(default_factory=dict)

    @property
    def kernels(self) -> list[str]:
        """Itself, and what it calls."""
        return [self.kernel, *(argument.kernel for argument in self.arguments if isinstance(argument, CodeOf))]


@dataclass(slots=True)
class Stage:
    """Calls that may run at the same time."""

    calls: list[Call] = field(default_factory=list)


def strided(place: Place) -> list[Argument]:
    """A place as two arguments: its address and the distance between its rows."""
    return [place, place.buffer.row_bytes]


def float_word(value: float) -> int:
    """A float's bits, as a kernel reads them from an argument."""
    return int.from_bytes(struct.pack("<f", value), "little")


def plan_buffers(stages: Sequence[Stage], align: int = 64) -> int:
    """Give every buffer its place; buffers whose stages do not overlap may share memory. Bytes for each token."""
    for index, stage in enumerate(stages):
        for call in stage.calls:
            for argument in call.arguments:
                if isinstance(argument, Place):
                    buffer = argument.buffer
                    buffer.first = index if buffer.first < 0 else buffer.first
                    buffer.last = index
    found = {id(a.buffer): a.buffer for s in stages for c in s.calls for a in c.arguments if isinstance(a, Place)}
    alive: list[Buffer] = []
    for buffer in sorted(found.values(), key=lambda buffer: (buffer.first, -buffer.size)):
        alive = [other for other in alive if other.last >= buffer.first]
        buffer.offset = _first_gap(alive, buffer.size, align)
        insort(alive, buffer, key=lambda other: other.offset)
    return max((b.offset + -(-b.size // align) * align for b in found.values()), default=0)


def _first_gap(alive: Sequence[Buffer], size: int, align: int) -> int:
    """The lowest offset at which ``size`` bytes do not touch any of ``alive``, which are ordered by offset."""
    at = 0
    for other in alive:
        if at + size <= other.offset:
            break
        at = max(at, -(-(other.offset + other.size) // align) * align)
    return at
