"""Memory of this process, and everything that only has to be imported once."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from mistralrs.errors import MistralrsError

if TYPE_CHECKING:
    from mistralrs.plugin.host import PluginHost

STATUS = Path("/proc/self/status")


def import_libraries(host: PluginHost) -> None:
    """Import what loading a model imports: it is no part of the time and memory that the model takes."""
    for name in ("mistralrs.loading.load", "mistralrs.api.prepare"):
        importlib.import_module(name)
    for spec in host.specs("kernels"):
        with contextlib.suppress(MistralrsError):  # kernels that cannot be used are not: loading says so
            host.load_ref(spec, spec.backend)


def resident_bytes() -> int:
    """Memory that this process holds now."""
    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """The most memory that this process held so far.

    Linux counts the process that started this one into ``ru_maxrss`` (its peak outlives ``exec``); ``VmHWM`` does not.
    """
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    memory = psutil.Process().memory_info()
    return int(getattr(memory, "peak_wset", 0)) or _peak_of_usage()


def _peak_of_usage() -> int:
    """In bytes on macOS, which has no other way to know."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
