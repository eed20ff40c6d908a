"""The weight builder: a cursor into a checkpoint that hands out finished layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from mistralrs.errors import ModelFormatError
from mistralrs.layers import Embedding, LayerNorm, Linear, RmsNorm
from mistralrs.layouts import U8
from mistralrs.ops import CacheSpec, Slot, Weight
from mistralrs.weights.quant import Dense, QuantMethod
from mistralrs.weights.source import TensorSource


@dataclass(frozen=True, slots=True)
class Request:
    """One tensor a model asked for. ``layer`` is its index, None outside the layers; ``nbytes`` as it is stored.

    ``slot`` is where it went, None without a device plan.
    """

    name: str
    shape: tuple[int, ...]
    layer: int | None
    role: str
    nbytes: int
    slot: Slot | None = None


def _as_stored(weight: Weight) -> Weight:
    return weight


def _dense(_path: str) -> QuantMethod:
    return Dense()


@dataclass(frozen=True)
class WeightBuilder:
    """Where a model is being built from. Immutable: stepping in gives a new cursor, the old one stays where it is.

    ``dtype`` is the compute type of small tensors; ``quant`` says per path how a projection is made; ``prepare`` lets
    the kernels choose their form of a weight. With a device plan, ``slot`` is where this cursor's tensors go, onto its
    ``device``, and ``place`` gives each layer's. Shared by all cursors of one build: ``log``, what was asked for, and
    ``caches``, what the layers keep between steps, with ``cache_layers`` and ``cache_slots`` to say whose they are.
    """

    source: TensorSource
    dtype: torch.dtype = torch.float32
    device: torch.device = torch.device("cpu")
    quant: Callable[[str], QuantMethod] = _dense
    prepare: Callable[[Weight], Weight] = _as_stored
    place: Callable[[int], Slot] | None = None
    slot: Slot | None = None
    path: tuple[str, ...] = ()
    layer: int | None = None
    log: list[Request] = field(default_factory=list)
    caches: list[CacheSpec] = field(default_factory=list)
    cache_layers: list[int | None] = field(default_factory=list)
    cache_slots: list[Slot | None] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        """The dotted path of this cursor."""
        return ".".join(self.path)

    def pp(self, *parts: str | int) -> WeightBuilder:
        """Step into a sub-module: ``wb.pp("layers", 3)``."""
        return replace(self, path=(*self.path, *(str(part) for part in parts)))

    def up(self) -> WeightBuilder:
        """Step out, into the module that this one is a part of."""
        return replace(self, path=self.path[:-1])

    def each(self, count: int) -> Iterator[tuple[int, WeightBuilder]]:
        """Step into the layers ``0 .. count - 1``, each in its own slot."""
        for i in range(count):
            slot = self.place(i) if self.place else self.slot
            yield i, replace(self.pp(i), layer=i, slot=slot, device=slot.device if slot else self.device)

    def has(self, name: str) -> bool:
        """Whether the checkpoint holds ``name`` under this cursor."""
        return self.source.has(self._full(name))

    def weight(self, name: str, shape: tuple[int, ...], *, role: str = "other") -> Weight:
        """The tensor in its stored layout, on this cursor's device. Raises ModelFormatError with the full name."""
        found = self._read(name, shape, role)
        if found.layout == U8:
            raise ModelFormatError(f"tensor {self._full(name)!r} is stored as U8, which is not supported here")
        return found.to(self.device)

    def raw(self, name: str, shape: tuple[int, ...], *, role: str = "other") -> Tensor:
        """Bytes in a form of the model's own, uint8 ``[*shape]``. Raises ModelFormatError for another type."""
        found = self._read(name, shape, role)
        if found.layout != U8:
            raise ModelFormatError(f"tensor {self._full(name)!r} is stored as {found.layout.name.upper()}, not as U8")
        return found.data.to(self.device)

    def tensor(self, name: str, shape: tuple[int, ...], *, role: str = "other") -> Tensor:
        """The tensor decoded to the compute dtype: norms, biases and other small ones."""
        return self.weight(name, shape, role=role).to_dense(self.dtype)

    def linear(self, name: str, in_features: int, out_features: int, *, bias: bool = False) -> nn.Module:
        """A finished projection, made by the quantization method of its path."""
        wb = self.pp(name)
        return self.quant(wb.prefix).linear(wb, in_features, out_features, bias=bias)

    def embedding(self, name: str, count: int, width: int, *, scale: float = 1.0) -> Embedding:
        """The token table ``[count, width]``; its rows are decoded when they are looked up."""
        weight = self.pp(name).weight("weight", (count, width), role="embedding")
        return Embedding(weight, self.dtype, scale)

    def head(self, table: Embedding) -> Linear:
        """The output projection that shares ``table``."""
        return Linear(self.prepare(table.weight))

    def rms_norm(self, name: str, width: int, eps: float, *, offset: float = 0.0) -> RmsNorm:
        """An RMS norm of ``width``."""
        return RmsNorm(self.pp(name).tensor("weight", (width,), role="norm"), eps, offset)

    def layer_norm(self, name: str, width: int, eps: float, *, bias: bool = True, offset: float = 0.0) -> LayerNorm:
        """A layer norm of ``width``; ``offset`` is added to the stored weight."""
        wb = self.pp(name)
        weight = wb.tensor("weight", (width,), role="norm")
        shift = wb.tensor("bias", (width,), role="norm") if bias else None
        return LayerNorm(weight + offset if offset else weight, shift, eps, width)

    def cache(self, spec: CacheSpec) -> int:
        """Declare what a layer keeps between steps; the handle is what its ``step.attend`` takes."""
        self.caches.append(spec)
        self.cache_layers.append(self.layer)
        self.cache_slots.append(self.slot)
        return len(self.caches) - 1

    def _read(self, name: str, shape: tuple[int, ...], role: str) -> Weight:
        full = self._full(name)
        found = self.source.get(full, shape)
        self.log.append(Request(full, shape, self.layer, role, found.nbytes, self.slot))
        return found

    def _full(self, name: str) -> str:
        return ".".join((*self.path, name))
