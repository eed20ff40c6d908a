"""Which built-in architectures run a whole step in one call of compiled kernels, and what keeps the others from it.

    python -m benchmarks.whole_steps

Every architecture's tiny checkpoint takes one step. Operations without a compiled form are listed; where there are
none, the reason is given. Such a step is run operation by operation, its products by compiled kernels all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch

from mistralrs.ops import Backend, Program
from mistralrs.plugin import ArchitectureSpec
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.paged import PagedModel, reference_backend
from mistralrs.testing.tiny import random_tensors, tiny_config
from mistralrs.weights import DictSource
from mistralrs_plugins.kernels.cpu.backend import CpuBackend
from mistralrs_plugins.kernels.cpu.program.step import CompiledStep

SAYS = "mistralrs_plugins.kernels.cpu.backend"
"""Who logs why a step is not compiled."""


def architectures() -> list[ArchitectureSpec]:
    """All that describe a tiny checkpoint."""
    specs = PluginHost(Policy()).specs("architecture")
    return [spec for spec in specs if isinstance(spec, ArchitectureSpec) and spec.tiny]


def compiled_model(spec: ArchitectureSpec) -> PagedModel:
    """The tiny model on compiled kernels; its first step is recorded."""
    config, backends = tiny_config(spec), (_backend(), reference_backend())
    model = PagedModel(spec, config, DictSource(random_tensors(spec, config)), backends=backends)
    model.module = Program(model.module)
    return model


def _backend() -> Backend:
    return CpuBackend()


def is_whole(model: PagedModel) -> bool:
    """Whether a model's steps are compiled as a whole; known after its first one."""
    return isinstance(model.module, Program) and isinstance(model.module._run, CompiledStep)


def reasons(specs: list[ArchitectureSpec]) -> Iterator[tuple[str, str]]:
    """Each architecture's name, and what keeps its step from being one call; nothing when it is."""
    told: list[str] = []
    listener = logging.Handler(logging.INFO)
    listener.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(SAYS)
    logger.setLevel(logging.INFO)
    logger.addHandler(listener)
    for spec in specs:
        told.clear()
        model = compiled_model(spec)
        model.step({"a": [1]})
        yield spec.name, "" if is_whole(model) else " ".join(told).partition(": ")[2]
    logger.removeHandler(listener)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    whole = []
    for name, reason in reasons(architectures()):
        if reason:
            print(f"{name:24}{reason}", flush=True)
        else:
            whole.append(name)
    print(f"\nwhole steps ({len(whole)}): {' '.join(whole)}")


if __name__ == "__main__":
    main()
