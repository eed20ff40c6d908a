"""Compiled CPU kernels: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import KernelsSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_kernels() -> Iterable[KernelsSpec]:
    """The backend that runs a whole step in one call; what it does not cover falls through to the reference."""
    yield KernelsSpec(
        name="cpu",
        summary="Compiled CPU kernels: quantized products straight from the file's blocks, whole steps in one call",
        devices=("cpu",),
        priority=100,
        requires=("numba",),
        backend=Ref("mistralrs_plugins.kernels.cpu.backend:CpuBackend"),
    )
