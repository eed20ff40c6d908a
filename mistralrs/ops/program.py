"""Runs a model the short way: through its layers once, from the recording ever after."""

from __future__ import annotations

import logging
from collections.abc import Callable

from torch import Tensor, nn

from mistralrs.ops.recorder import RecordingRefused, record
from mistralrs.ops.step import StepContext

log = logging.getLogger(__name__)


class Program:
    """A model as the engine calls it: ``program(step) -> logits``.

    The first step is recorded. Then a backend may compile the recording; without one it is played operation by
    operation. A model that computes outside the ops cannot be recorded and keeps running through its layers.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._run: Callable[[StepContext], Tensor] | None = None

    def __call__(self, step: StepContext) -> Tensor:
        """Logits in float32 of the step's rows."""
        return self._run(step) if self._run is not None else self._first(step)

    def length_class(self, limit: int) -> tuple[int, ...]:
        """What of a sequence's length limit its keys depend on: equal classes may share cached keys.

        Empty for the many models whose positions are the same whatever the length.
        """
        of_model = getattr(self.module, "length_class", None)
        return of_model(limit) if of_model else ()

    def _first(self, step: StepContext) -> Tensor:
        constants = [*self.module.buffers(), *self.module.parameters()]
        try:
            recording, logits = record(self.module, step, constants)
        except RecordingRefused as refusal:
            log.info("the model runs through its layers at every step: %s", refusal)
            self._run = self.module
            result: Tensor = self.module(step)
            return result
        self._run = step.ops.table.compile(recording) or recording.play
        return logits
