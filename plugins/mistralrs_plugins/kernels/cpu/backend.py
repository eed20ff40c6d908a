"""The CPU backend: single operations, and whole steps in one call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from torch import Tensor

from mistralrs.ops import OpTable, Recording, StepContext, Weight
from mistralrs.ops.table import Kernel
from mistralrs_plugins.kernels.cpu import choose, threads
from mistralrs_plugins.kernels.cpu.experts import expert_linear
from mistralrs_plugins.kernels.cpu.jit import parallel
from mistralrs_plugins.kernels.cpu.program.lowering import Lowering
from mistralrs_plugins.kernels.cpu.program.products import is_dense
from mistralrs_plugins.kernels.cpu.program.step import CompiledStep
from mistralrs_plugins.kernels.cpu.program.weights import COVERED, NotCompiled, for_products
from mistralrs_plugins.kernels.cpu.single import head, linear

log = logging.getLogger(__name__)

POOL = ("executor:launch", "executor:serve", "executor:stop")
"""Kernels that run the others."""

PACKING = (*POOL, "packed:pack")
"""Kernels that packing most layouts needs."""

CHOOSING = "draws:draw"
"""The kernel that chooses tokens, of every model that has logits."""

CHANGING = ("changes:adjust", "changes:restore", "likely:likeliest")
"""Those of penalties and log-probabilities: compiled before the first request, loaded by the first that asks."""

CHANGING_IN_STEP = ("changes:adjust", "changes:undo", "likely:tell")
"""The same as parts of a compiled step."""

_PRODUCTS: dict[str, Kernel] = {"linear": linear, "head": head, "expert_linear": expert_linear}
_CHOICES: dict[str, Kernel] = {
    "draw": choose.draw,
    "likeliest": choose.likeliest,
    "adjust": choose.adjust,
    "restore": choose.restore,
}


def _silent(*_report: object) -> None:
    """Report nothing."""


def _module(layout: str) -> str:
    return "dense" if is_dense(layout) else "product"


class CpuBackend:
    """Compiled kernels. Quantized weights are packed for them at load (:mod:`.packing`).

    ``preferred_kv_dtype`` is how the cache is best kept: half floats take half the memory and half the time to read.
    """

    name = "cpu"
    preferred_kv_dtype = "f16"

    def __init__(self) -> None:
        self._layouts: set[str] = set()
        self._progress: Callable[..., None] = _silent

    def find(self, op: str, layout: str) -> Kernel | None:
        """See :meth:`mistralrs.ops.Backend.find`. Products and the choice of tokens; the rest is the reference's."""
        return _PRODUCTS.get(op) if layout in COVERED else _CHOICES.get(op)

    def prepare(self, weight: Weight) -> Weight:
        """A packed copy of a quantized matrix, in its place. Its layout is noted for :meth:`warm_up`."""
        if not self._layouts:
            parallel.prepare(PACKING)
        self._layouts.add(weight.layout.name)
        return for_products(weight)

    def set_threads(self, count: int) -> None:
        """Use ``count`` threads in this process. Raises UsageError when it is not positive."""
        threads.set_threads(count)

    def warm_up(self, progress: Callable[..., None] = _silent) -> None:
        """Compile what multiplies with the weights prepared so far, or load it from disk.

        That takes some seconds the first time on a machine. ``progress(label, done, total, unit)`` is told how far it
        is, and later the same of the kernels that only a recording shows to be needed.
        """
        self._progress = progress
        layouts = sorted(self._layouts & COVERED)
        products = [f"{_module(layout)}:make_product:{layout}" for layout in layouts]
        self._load([*POOL, "activations:quantize", *products])

    def compile(self, recording: Recording, table: OpTable) -> Callable[[StepContext], Tensor] | None:
        """One call for a whole step; None when the recording holds something without a compiled form."""
        lowering = Lowering(recording)
        try:
            lowering.run()
        except NotCompiled as reason:
            log.info("steps are run operation by operation: %s", reason)
            if any(call.op == "head" for call in recording.calls):
                self._load([CHOOSING], later=CHANGING)
            return None
        self._load([CHOOSING, "cuts:plan", *lowering.kernels()], later=CHANGING_IN_STEP)
        return CompiledStep(lowering, recording.play)

    def _load(self, names: list[str], later: Iterable[str] = ()) -> None:
        total = len({*names, *later})
        parallel.prepare(names, lambda done: self._progress("Compiling CPU kernels", done, total, "steps"), later)
