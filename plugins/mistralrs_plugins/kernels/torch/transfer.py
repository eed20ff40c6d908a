"""From one device to another."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from mistralrs.ops import AttentionMeta, Slot


def transfer(x: Tensor, slot: Slot) -> Tensor:
    """The same values on the slot's device; nothing is copied when they are there already."""
    return x.to(slot.device, non_blocking=True)


def transfer_step(positions: Tensor, meta: AttentionMeta, slot: Slot) -> tuple[Tensor, AttentionMeta]:
    """Positions, and every tensor of the bookkeeping."""
    held = {field.name: getattr(meta, field.name) for field in fields(meta)}
    moved: dict[str, Any] = {name: transfer(value, slot) for name, value in held.items() if isinstance(value, Tensor)}
    return transfer(positions, slot), replace(meta, **moved)
