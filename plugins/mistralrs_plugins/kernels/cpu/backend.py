"""The CPU backend: single operations, and whole steps in one call."""

from __future__ import annotations

import logging
from collections.abc import Callable

from torch import Tensor

from mistralrs.ops import OpTable, Recording, StepContext, Weight
from mistralrs.ops.table import Kernel
from mistralrs_plugins.kernels.cpu.program.lowering import Lowering
from mistralrs_plugins.kernels.cpu.program.step import CompiledStep
from mistralrs_plugins.kernels.cpu.program.weights import COVERED, NotCompiled
from mistralrs_plugins.kernels.cpu.single import head, linear

log = logging.getLogger(__name__)

_PRODUCTS: dict[str, Kernel] = {"linear": linear, "head": head}


class CpuBackend:
    """Compiled kernels over weights as they lie in the file: nothing is copied or decoded ahead.

    ``preferred_kv_dtype`` is how the cache is best kept: half floats take half the memory and half the time to read.
    """

    name = "cpu"
    preferred_kv_dtype = "f16"

    def find(self, op: str, layout: str) -> Kernel | None:
        """See :meth:`mistralrs.ops.Backend.find`. Products only: the rest is the reference's, until it is compiled."""
        return _PRODUCTS.get(op) if layout in COVERED else None

    def prepare(self, weight: Weight) -> Weight:
        """The weight as it is."""
        return weight

    def compile(self, recording: Recording, table: OpTable) -> Callable[[StepContext], Tensor] | None:
        """One call for a whole step; None when the recording holds something without a compiled form."""
        lowering = Lowering(recording)
        try:
            lowering.run()
        except NotCompiled as reason:
            log.info("steps are run operation by operation: %s", reason)
            return None
        return CompiledStep(lowering, recording.play)
