"""Which kernel runs an operation: the backends of one device, best first, asked once per (operation, layout)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from mistralrs.checkpoint import Progress
from mistralrs.errors import EngineError
from mistralrs.ops.weight import Weight

if TYPE_CHECKING:
    from mistralrs.ops.recorder import Recording
    from mistralrs.ops.step import StepContext

Kernel = Callable[..., Any]


class Backend(Protocol):
    """What a kernels plugin's ``backend`` refers to: implementations by operation and weight layout."""

    name: str
    preferred_kv_dtype: str | None
    """How its attention likes keys and values kept ("f32", "f16", "bf16"), None for the compute type."""

    def find(self, op: str, layout: str) -> Kernel | None:
        """The kernel for ``op`` over weights stored as ``layout`` ("" for operations without one), or None."""

    def prepare(self, weight: Weight) -> Weight:
        """The form in which this backend wants a projection's weight: the same, or a copy of its own."""

    def compile(self, recording: Recording, table: OpTable) -> Callable[[StepContext], Tensor] | None:
        """One callable for a whole recorded step, or None when this backend does not compile.

        It must take any step of the same model; what it has no compiled form for, it plays through ``table``.
        """


class OpTable:
    """Resolves operations for one device. What no backend offers is an error that names them all."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self.backends = tuple(backends)
        self._found: dict[tuple[str, str], Kernel] = {}

    def find(self, op: str, layout: str = "") -> Kernel:
        """The kernel of the first backend that offers ``op`` for ``layout``."""
        key = (op, layout)
        kernel = self._found.get(key)
        if kernel is None:
            kernel = self._found[key] = self._resolve(op, layout)
        return kernel

    def owner(self, op: str, layout: str = "") -> str:
        """Name of the backend that runs ``op``: what ``doctor`` and ``-v`` show."""
        for backend in self.backends:
            if backend.find(op, layout) is not None:
                return backend.name
        return "none"

    def prepare(self, weight: Weight) -> Weight:
        """Let the backend that will multiply with ``weight`` choose its form."""
        for backend in self.backends:
            if backend.find("linear", weight.layout.name) is not None:
                return backend.prepare(weight)
        return weight

    def set_threads(self, count: int) -> None:
        """Tell backends with threads of their own (those with a method ``set_threads(count)``) how many to use."""
        for backend in self.backends:
            own_threads = getattr(backend, "set_threads", None)
            if own_threads is not None:
                own_threads(count)

    def warm_up(self, progress: Progress) -> None:
        """Let backends that compile their kernels (those with a method ``warm_up(progress)``) do so now."""
        for backend in self.backends:
            compile_kernels = getattr(backend, "warm_up", None)
            if compile_kernels is not None:
                compile_kernels(progress)

    def compile(self, recording: Recording) -> Callable[[StepContext], Tensor] | None:
        """The first backend's compiled form of a recorded step, or None when there is none."""
        compiled = (backend.compile(recording, self) for backend in self.backends)
        return next((run for run in compiled if run is not None), None)

    def _resolve(self, op: str, layout: str) -> Kernel:
        for backend in self.backends:
            kernel = backend.find(op, layout)
            if kernel is not None:
                return kernel
        names = ", ".join(backend.name for backend in self.backends) or "none"
        what = f"{op} over {layout} weights" if layout else op
        raise EngineError(f"no kernels plugin implements {what}; asked: {names}")
