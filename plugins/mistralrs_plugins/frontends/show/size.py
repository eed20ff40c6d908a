"""What a model takes in memory, from building its shape without its weights."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from mistralrs.weights import MetaSource, measure
from mistralrs.weights.source import same_name

if TYPE_CHECKING:
    from mistralrs.loading.inspect import Inspected
    from mistralrs.plugin.host import PluginHost

TOKENS = 1000
CACHE_TYPES = {"f16": 2, "f32": 4}
"""Bytes of a number by what ``--pa-cache-type`` calls it."""


def size_of(host: PluginHost, inspected: Inspected) -> dict[str, Any]:
    """Parameters, bytes of the weights as they are stored, and of the cache of 1,000 tokens by type.

    A tensor that is used twice, as a tied embedding is, counts once.
    """
    architecture, tensors = inspected.architecture, inspected.checkpoint.tensors
    rename = same_name
    if inspected.checkpoint.architecture.startswith("gguf:") and architecture.gguf is not None:
        rename = host.load_ref(architecture, architecture.gguf).rename
    source = MetaSource({name: info.layout for name, info in tensors.items()}, rename)
    sizes = measure(host.load_ref(architecture, architecture.build), inspected.config, source)
    shapes = {request.name: request.shape for request in sizes.requests}
    return {
        "parameters": sum(prod(shape) for shape in shapes.values()),
        "memory": {
            "weights_bytes": sum(info.nbytes for info in tensors.values()),
            "cache_bytes_per_1000_tokens": {
                name: TOKENS * size * sum(sizes.cached) for name, size in CACHE_TYPES.items()
            },
        },
    }
