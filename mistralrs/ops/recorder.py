"""Records a step as a list of operations, so that later steps need no layers.

Walking a model's modules in Python costs a millisecond or two a token. The list of operations is the same for every
step of a model; only the inputs differ. A recording names each intermediate value by a slot, keeps weights and caches
as constants, and plays back with new inputs. Backends compile the same list; CUDA graphs capture it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mistralrs.ops.ops import Ops
from mistralrs.ops.step import StepContext

INPUTS = ("ids", "positions", "rows", "meta")
"""What a step brings anew; these take the first slots."""


class RecordingRefused(Exception):
    """The forward pass used a value that no operation produced; it has to run eagerly."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands for a value in a recorded call's arguments."""

    index: int


@dataclass(frozen=True, slots=True)
class Call:
    """One operation: its arguments with values replaced by slots, where results go, and what dies after it."""

    op: str
    layout: str
    args: tuple[Any, ...]
    results: tuple[int, ...]
    frees: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """A step as data: ``calls`` over ``slots`` values, the last of which is in ``output``."""

    calls: tuple[Call, ...]
    slots: int
    output: int

    def play(self, step: StepContext) -> Tensor:
        """Run the operations on the inputs of ``step``."""
        values: list[Any] = [None] * self.slots
        values[: len(INPUTS)] = [getattr(step, name) for name in INPUTS]
        run = step.ops.run
        for call in self.calls:
            args = [values[arg.index] if type(arg) is Slot else arg for arg in call.args]
            result = run(call.op, call.layout, *args)
            for slot, value in zip(call.results, _outputs(result), strict=True):
                values[slot] = value
            for slot in call.frees:
                values[slot] = None
        output: Tensor = values[self.output]
        return output


def _outputs(result: Any) -> tuple[Any, ...]:
    """The values an operation produced: none, one, or several."""
    if result is None:
        return ()
    return result if isinstance(result, tuple) else (result,)


class _Recorder(Ops):
    """Runs every operation and writes it down. Holds every value it has seen, so that ids stay unique."""

    def __init__(self, ops: Ops, step: StepContext, constants: Iterable[Tensor]) -> None:
        super().__init__(ops.table)
        self.calls: list[tuple[str, str, tuple[Any, ...], tuple[int, ...]]] = []
        self.values: list[Any] = [getattr(step, name) for name in INPUTS]
        self.slot_of = {id(value): slot for slot, value in enumerate(self.values)}
        self.constants = {id(tensor) for tensor in constants}

    def run(self, op: str, layout: str, *args: Any) -> Any:
        recorded = tuple(self._argument(op, arg) for arg in args)
        result = super().run(op, layout, *args)
        slots = []
        for value in _outputs(result):
            slots.append(len(self.values))
            self.slot_of[id(value)] = len(self.values)
            self.values.append(value)
        self.calls.append((op, layout, recorded, tuple(slots)))
        return result

    def _argument(self, op: str, arg: Any) -> Any:
        slot = self.slot_of.get(id(arg))
        if slot is not None:
            return Slot(slot)
        if isinstance(arg, Tensor) and id(arg) not in self.constants:
            raise RecordingRefused(f"{op} was given a tensor that no operation produced")
        return arg


def record(
    forward: Callable[[StepContext], Tensor], step: StepContext, constants: Iterable[Tensor]
) -> tuple[Recording, Tensor]:
    """Run ``forward`` on ``step`` and return its recording with this step's result.

    ``constants`` are the tensors a model owns (parameters and buffers). Raises :class:`RecordingRefused` when the
    forward pass computes outside the ops.
    """
    recorder = _Recorder(step.ops, step, constants)
    shadow = StepContext(
        ops=recorder,
        ids=step.ids,
        positions=step.positions,
        rows=step.rows,
        meta=step.meta,
        caches=step.caches,
    )
    result = forward(shadow)
    output = recorder.slot_of.get(id(result))
    if output is None:
        raise RecordingRefused("the result of the forward pass was not produced by an operation")
    calls = _with_lifetimes(recorder.calls, output)
    return Recording(calls, len(recorder.values), output), result


def _with_lifetimes(calls: list[tuple[str, str, tuple[Any, ...], tuple[int, ...]]], output: int) -> tuple[Call, ...]:
    """Add to each call the slots whose last use it is."""
    seen = {output}
    finished: list[Call] = []
    for op, layout, args, results in reversed(calls):
        touched = {arg.index for arg in args if isinstance(arg, Slot)} | set(results)
        finished.append(Call(op, layout, args, results, tuple(sorted(touched - seen))))
        seen |= touched
    return tuple(reversed(finished))
