"""What a program points at outside its own memory, checked before anything is read by address."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mistralrs.layouts import LAYOUTS
from mistralrs.ops import LayerCache, Weight
from mistralrs_plugins.kernels.cpu.kernels.sizes import ROWS
from mistralrs_plugins.kernels.cpu.orders import ORDERS
from mistralrs_plugins.kernels.cpu.packing import PackedWeight, pack, packable

DENSE = frozenset({"f32", "f16", "bf16"})
COVERED = DENSE | ORDERS.keys()
"""Layouts with kernels. The others are left to the reference."""

_KINDS = {torch.float16: "f16", torch.float32: "f32"}


class NotCompiled(Exception):
    """The step has no compiled form; the message says what stands in the way."""


@dataclass(frozen=True, slots=True)
class Table:
    """A matrix in memory: ``rows`` of ``width`` values, ``row_bytes`` apart."""

    address: int
    rows: int
    width: int
    row_bytes: int


def table_of(weight: Weight) -> Table:
    """Where a weight lies. Raises NotCompiled when it is not one solid matrix on the CPU, in a type we know."""
    data, layout = weight.data, weight.layout
    if layout.name not in COVERED or LAYOUTS.get(layout.name) != layout:
        raise NotCompiled(f"no kernels for {layout.name} weights")
    if data.device.type != "cpu" or len(weight.shape) != 2 or not data.is_contiguous():
        raise NotCompiled("a weight that is not a solid matrix in main memory")
    rows, width = weight.shape
    stored = -(-rows // ROWS) * ROWS if isinstance(weight, PackedWeight) else rows
    if data.numel() * data.element_size() != layout.nbytes((stored, width)) or not rows or not width:
        raise NotCompiled("a weight whose memory does not match its shape")
    return Table(data.data_ptr(), rows, width, layout.row_bytes(width))


def for_products(weight: Weight) -> Weight:
    """The form in which a weight is multiplied with: packed if it is quantized."""
    return pack(weight) if packable(weight) else weight


def for_rows(weight: Weight) -> Weight:
    """The form in which rows of a weight are looked up: the file's."""
    return weight.stored() if isinstance(weight, PackedWeight) else weight


def float_vector(tensor: Tensor) -> Tensor:
    """A small tensor as the float32 vector that kernels read."""
    if tensor.device.type != "cpu" or tensor.dim() != 1:
        raise NotCompiled("a vector that is not one-dimensional in main memory")
    return tensor.detach().to(torch.float32).contiguous()


def cache_kind(cache: LayerCache) -> str:
    """How a layer's cache stores numbers. Raises NotCompiled when kernels cannot address it."""
    if cache.k.dtype != cache.v.dtype or cache.k.dtype not in _KINDS:
        raise NotCompiled(f"a cache in {str(cache.k.dtype).removeprefix('torch.')}")
    if not (cache.k.is_contiguous() and cache.v.is_contiguous()) or cache.k.device.type != "cpu":
        raise NotCompiled("a cache that is not solid in main memory")
    if cache.k.dim() != 4 or cache.k.shape[:3] != cache.v.shape[:3]:
        raise NotCompiled("a cache whose keys and values differ in shape")
    return _KINDS[cache.k.dtype]
