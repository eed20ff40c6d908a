"""The reference kernels: the declaration."""

from collections.abc import Iterable

from mistralrs.plugin import KernelsSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_kernels() -> Iterable[KernelsSpec]:
    """One backend for every device torch knows, below all others."""
    yield KernelsSpec(
        name="torch",
        summary="Reference kernels in plain torch: every operation, every layout, every device",
        devices=("cpu", "cuda", "mps"),
        priority=0,
        backend=Ref("mistralrs_plugins.kernels.torch.backend:TorchBackend"),
    )
