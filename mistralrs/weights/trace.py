"""How large a model is, from building its shape: the same constructors, tensors without memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch

from mistralrs.ops import StateSpec
from mistralrs.weights.builder import Request, WeightBuilder
from mistralrs.weights.source import MetaSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes of weights as they are stored.

    ``layers`` by layer, ``rest`` outside of them (embedding, final norm, head); ``cached`` is how many numbers each
    layer keeps for a token, ``states`` the bytes it keeps for a sequence of any length; empty where none does.
    """

    layers: tuple[int, ...]
    rest: int
    cached: tuple[int, ...]
    requests: tuple[Request, ...]
    states: tuple[int, ...] = ()

    def kept(self, layers: Iterable[int], token_bytes: int, sequences: int) -> int:
        """Bytes that ``layers`` keep between steps: ``token_bytes`` for each number of a token, and their states."""
        return sum(
            self.cached[layer] * token_bytes + (self.states[layer] * sequences if self.states else 0)
            for layer in layers
        )

    @property
    def total(self) -> int:
        """Bytes of the whole model."""
        return sum(self.layers) + self.rest


def measure(
    build: Callable[[Any, WeightBuilder], object],
    config: Any,
    source: MetaSource,
    nbytes: Callable[[Request], int] | None = None,
) -> Sizes:
    """Build the shape of a model over the tensors that ``source`` knows of, and add up what it asks for.

    ``nbytes`` says what becomes of a tensor that is not kept as it is stored: its bytes in memory.
    """
    wb = WeightBuilder(source, device=torch.device("meta"))
    build(config, wb)
    if nbytes is not None:
        wb.log[:] = [replace(request, nbytes=nbytes(request)) for request in wb.log]
    count = 1 + max((request.layer for request in wb.log if request.layer is not None), default=-1)
    layers, cached, states = [0] * count, [0] * count, [0] * count
    for request in wb.log:
        if request.layer is not None:
            layers[request.layer] += request.nbytes
    for spec, layer in zip(wb.caches, wb.cache_layers, strict=True):
        if layer is not None:
            cached[layer] += spec.values_per_token
            if isinstance(spec, StateSpec):
                states[layer] += spec.values_per_sequence * torch.float32.itemsize
    rest = sum(request.nbytes for request in wb.log if request.layer is None)
    return Sizes(
        layers=tuple(layers),
        rest=rest,
        cached=tuple(cached),
        requests=tuple(wb.log),
        states=tuple(states) if any(states) else (),
    )
