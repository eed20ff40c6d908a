"""Which test class examines which plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from mistralrs.plugin.host import PluginHost
from mistralrs.testing.conformance import (
    ArchitectureConformance,
    FormatConformance,
    FrontendConformance,
    KernelsConformance,
    ObserverConformance,
    PluginConformance,
    QuantizationConformance,
    SourceConformance,
    TokenizerConformance,
)

EXAMS: Final[dict[str, type[PluginConformance]]] = {
    "architecture": ArchitectureConformance,
    "format": FormatConformance,
    "frontend": FrontendConformance,
    "kernels": KernelsConformance,
    "observer": ObserverConformance,
    "quantization": QuantizationConformance,
    "source": SourceConformance,
    "tokenizer": TokenizerConformance,
}


def exams(plugins: Iterable[str], host: PluginHost | None = None) -> dict[str, type[PluginConformance]]:
    """A test class for every contribution of these plugins, by a class name that pytest collects."""
    host = host or PluginHost()
    classes = {}
    for plugin in plugins:
        record = host.find(plugin)
        host.load(record.kind)
        for member in [spec.name for spec in record.specs] or [record.name]:
            name = "Test" + "".join(word.title() for word in re.split(r"[^a-z0-9]", f"{record.kind} {member}"))
            classes[name] = type(name, (EXAMS[record.kind],), {"plugin": record.full_id, "member": member})
    return classes
